using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>output[i] = f(input[i]): an activation that no matrix product precedes.</summary>
public readonly record struct ActivationForward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "Activation";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>[Length].</summary>
    public BufferView Input { get; init; }

    /// <summary>[Length]; may be the input itself.</summary>
    public BufferView Output { get; init; }

    /// <summary>Elements.</summary>
    public long Length { get; init; }

    /// <summary>f.</summary>
    public Activation Activation { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        OpCheck.NotNegative(Op, nameof(Length), Length);
        OpCheck.Floats(Op, "input", Input, Length, $"[{Length}]");
        OpCheck.Floats(Op, "output", Output, Length, $"[{Length}]");
        OpCheck.Defined(Op, nameof(Activation), Activation);
        OpCheck.NoOverlap(Op, "output", Output, "input", Input, inPlaceAllowed: true);
    }
}

/// <summary>inputGradient[i] = outputGradient[i]·f′(input[i]).</summary>
public readonly record struct ActivationBackward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "Activation";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Backward;

    /// <summary>[Length] of the forward call.</summary>
    public BufferView Input { get; init; }

    /// <summary>[Length].</summary>
    public BufferView OutputGradient { get; init; }

    /// <summary>[Length]; may be either input itself.</summary>
    public BufferView InputGradient { get; init; }

    /// <summary>Elements.</summary>
    public long Length { get; init; }

    /// <summary>f.</summary>
    public Activation Activation { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        ShapeText shape = $"[{Length}]";
        OpCheck.NotNegative(Op, nameof(Length), Length);
        OpCheck.Floats(Op, "input", Input, Length, shape);
        OpCheck.Floats(Op, "outputGradient", OutputGradient, Length, shape);
        OpCheck.Floats(Op, "inputGradient", InputGradient, Length, shape);
        OpCheck.Defined(Op, nameof(Activation), Activation);
        OpCheck.NoOverlap(Op, "inputGradient", InputGradient, "input", Input, true);
        OpCheck.NoOverlap(
            Op, "inputGradient", InputGradient, "outputGradient", OutputGradient, true);
    }
}
