using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>output = f(input · weight1ᵀ + bias1) · weight2ᵀ + bias2, f = GELU, ReLU or
/// tanh.</summary>
/// <remarks>The position-wise feed-forward network of Vaswani et al. 2017, §3.3. When the
/// pre-activation is not asked for, no [Rows, Hidden] buffer is written in full.</remarks>
public readonly record struct GeluFeedForwardForward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "GeluFeedForward";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>[Rows, Width].</summary>
    public BufferView Input { get; init; }

    /// <summary>[Hidden, Width].</summary>
    public BufferView Weight1 { get; init; }

    /// <summary>[Hidden]; optional.</summary>
    public BufferView Bias1 { get; init; }

    /// <summary>[OutputWidth, Hidden].</summary>
    public BufferView Weight2 { get; init; }

    /// <summary>[OutputWidth]; optional.</summary>
    public BufferView Bias2 { get; init; }

    /// <summary>[Rows, OutputWidth].</summary>
    public BufferView Output { get; init; }

    /// <summary>[Rows, Hidden] before the activation; optional, kept for the backward pass.
    /// </summary>
    public BufferView PreActivation { get; init; }

    /// <summary>Rows of input and output: tokens.</summary>
    public int Rows { get; init; }

    /// <summary>Width of the input.</summary>
    public int Width { get; init; }

    /// <summary>Width between the two products; 4·Width by convention.</summary>
    public int Hidden { get; init; }

    /// <summary>Width of the output; usually Width.</summary>
    public int OutputWidth { get; init; }

    /// <summary>Any but None.</summary>
    public Activation Activation { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        GeluFeedForwardChecks.Sizes(Rows, Width, Hidden, OutputWidth, Activation);
        GeluFeedForwardChecks.Weights(Input, Weight1, Weight2, Rows, Width, Hidden, OutputWidth);
        OpCheck.FloatsOrAbsent(Op, "bias1", Bias1, Hidden, $"[{Hidden}]");
        OpCheck.FloatsOrAbsent(Op, "bias2", Bias2, OutputWidth, $"[{OutputWidth}]");
        OpCheck.Floats(
            Op, "output", Output, (long)Rows * OutputWidth, $"[{Rows}, {OutputWidth}]");
        OpCheck.FloatsOrAbsent(
            Op, "preActivation", PreActivation, (long)Rows * Hidden, $"[{Rows}, {Hidden}]");
        OpCheck.Apart(
            Op,
            [("output", Output), ("preActivation", PreActivation)],
            [("input", Input), ("weight1", Weight1), ("bias1", Bias1), ("weight2", Weight2),
                ("bias2", Bias2)]);
    }
}

/// <summary>Gradients of <see cref="GeluFeedForwardForward"/>; those of parameters are added to
/// what their buffers hold.</summary>
public readonly record struct GeluFeedForwardBackward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "GeluFeedForward";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Backward;

    /// <summary>[Rows, Width].</summary>
    public BufferView Input { get; init; }

    /// <summary>[Hidden, Width].</summary>
    public BufferView Weight1 { get; init; }

    /// <summary>[OutputWidth, Hidden].</summary>
    public BufferView Weight2 { get; init; }

    /// <summary>[Rows, Hidden], as the forward call wrote it.</summary>
    public BufferView PreActivation { get; init; }

    /// <summary>[Rows, OutputWidth].</summary>
    public BufferView OutputGradient { get; init; }

    /// <summary>[Rows, Width], overwritten; absent: not computed.</summary>
    public BufferView InputGradient { get; init; }

    /// <summary>[Hidden, Width], added to.</summary>
    public BufferView Weight1Gradient { get; init; }

    /// <summary>[Hidden], added to; absent where there is no bias.</summary>
    public BufferView Bias1Gradient { get; init; }

    /// <summary>[OutputWidth, Hidden], added to.</summary>
    public BufferView Weight2Gradient { get; init; }

    /// <summary>[OutputWidth], added to; absent where there is no bias.</summary>
    public BufferView Bias2Gradient { get; init; }

    /// <summary>Rows of input and output.</summary>
    public int Rows { get; init; }

    /// <summary>Width of the input.</summary>
    public int Width { get; init; }

    /// <summary>Width between the two products.</summary>
    public int Hidden { get; init; }

    /// <summary>Width of the output.</summary>
    public int OutputWidth { get; init; }

    /// <summary>The activation of the forward call.</summary>
    public Activation Activation { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        GeluFeedForwardChecks.Sizes(Rows, Width, Hidden, OutputWidth, Activation);
        GeluFeedForwardChecks.Weights(Input, Weight1, Weight2, Rows, Width, Hidden, OutputWidth);
        OpCheck.Floats(
            Op, "preActivation", PreActivation, (long)Rows * Hidden, $"[{Rows}, {Hidden}]");
        OpCheck.Floats(Op, "outputGradient", OutputGradient, (long)Rows * OutputWidth,
            $"[{Rows}, {OutputWidth}]");
        OpCheck.FloatsOrAbsent(
            Op, "inputGradient", InputGradient, (long)Rows * Width, $"[{Rows}, {Width}]");
        OpCheck.Floats(Op, "weight1Gradient", Weight1Gradient, (long)Hidden * Width,
            $"[{Hidden}, {Width}]");
        OpCheck.FloatsOrAbsent(Op, "bias1Gradient", Bias1Gradient, Hidden, $"[{Hidden}]");
        OpCheck.Floats(Op, "weight2Gradient", Weight2Gradient, (long)OutputWidth * Hidden,
            $"[{OutputWidth}, {Hidden}]");
        OpCheck.FloatsOrAbsent(
            Op, "bias2Gradient", Bias2Gradient, OutputWidth, $"[{OutputWidth}]");
        OpCheck.Apart(
            Op,
            [("inputGradient", InputGradient), ("weight1Gradient", Weight1Gradient),
                ("bias1Gradient", Bias1Gradient), ("weight2Gradient", Weight2Gradient),
                ("bias2Gradient", Bias2Gradient)],
            [("input", Input), ("weight1", Weight1), ("weight2", Weight2),
                ("preActivation", PreActivation), ("outputGradient", OutputGradient)]);
    }
}

internal static class GeluFeedForwardChecks
{
    private const string Op = "GeluFeedForward";

    public static void Sizes(
        int rows, int width, int hidden, int outputWidth, Activation activation)
    {
        OpCheck.NotNegative(Op, "Rows", rows);
        OpCheck.Positive(Op, "Width", width);
        OpCheck.Positive(Op, "Hidden", hidden);
        OpCheck.Positive(Op, "OutputWidth", outputWidth);
        OpCheck.Defined(Op, "Activation", activation);
        if (activation == Activation.None)
        {
            OpCheck.Throw(Op, "'Activation' is None; expected another one. " +
                "Two linear layers without one collapse into one: use Linear.");
        }
    }

    public static void Weights(
        BufferView input, BufferView weight1, BufferView weight2, int rows, int width, int hidden,
        int outputWidth)
    {
        OpCheck.Floats(Op, "input", input, (long)rows * width, $"[{rows}, {width}]");
        OpCheck.Floats(Op, "weight1", weight1, (long)hidden * width, $"[{hidden}, {width}]");
        OpCheck.Floats(
            Op, "weight2", weight2, (long)outputWidth * hidden, $"[{outputWidth}, {hidden}]");
    }
}
