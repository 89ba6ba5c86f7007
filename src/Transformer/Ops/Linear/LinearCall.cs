using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>output = f(input · weightᵀ + bias).</summary>
public readonly record struct LinearForward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "Linear";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>[Rows, InputFeatures].</summary>
    public BufferView Input { get; init; }

    /// <summary>[OutputFeatures, InputFeatures]: one row an output feature.</summary>
    public BufferView Weight { get; init; }

    /// <summary>[OutputFeatures]; optional.</summary>
    public BufferView Bias { get; init; }

    /// <summary>[Rows, OutputFeatures].</summary>
    public BufferView Output { get; init; }

    /// <summary>[Rows, OutputFeatures], written before the activation; optional, kept for the
    /// backward pass.</summary>
    public BufferView PreActivation { get; init; }

    /// <summary>Rows of input and output: tokens.</summary>
    public int Rows { get; init; }

    /// <summary>Width of the input.</summary>
    public int InputFeatures { get; init; }

    /// <summary>Width of the output.</summary>
    public int OutputFeatures { get; init; }

    /// <summary>Applied to the product with bias.</summary>
    public Activation Activation { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        OpCheck.NotNegative(Op, nameof(Rows), Rows);
        OpCheck.Positive(Op, nameof(InputFeatures), InputFeatures);
        OpCheck.Positive(Op, nameof(OutputFeatures), OutputFeatures);
        ShapeText output = $"[{Rows}, {OutputFeatures}]";
        OpCheck.Floats(
            Op, "input", Input, (long)Rows * InputFeatures, $"[{Rows}, {InputFeatures}]");
        OpCheck.Floats(Op, "weight", Weight, (long)OutputFeatures * InputFeatures,
            $"[{OutputFeatures}, {InputFeatures}]");
        OpCheck.FloatsOrAbsent(Op, "bias", Bias, OutputFeatures, $"[{OutputFeatures}]");
        OpCheck.Floats(Op, "output", Output, (long)Rows * OutputFeatures, output);
        OpCheck.FloatsOrAbsent(
            Op, "preActivation", PreActivation, (long)Rows * OutputFeatures, output);
        OpCheck.Defined(Op, nameof(Activation), Activation);
        OpCheck.Apart(
            Op,
            [("output", Output), ("preActivation", PreActivation)],
            [("input", Input), ("weight", Weight), ("bias", Bias)]);
    }
}

/// <summary>
/// With g = outputGradient ⊙ f′(preActivation): inputGradient = g·weight; weightGradient +=
/// gᵀ·input; biasGradient += column sums of g.
/// </summary>
/// <remarks>Gradients of parameters are added to what their buffers hold, so that tied weights and
/// gradient accumulation need no extra pass; clear them first.</remarks>
public readonly record struct LinearBackward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "Linear";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Backward;

    /// <summary>[Rows, InputFeatures].</summary>
    public BufferView Input { get; init; }

    /// <summary>[OutputFeatures, InputFeatures].</summary>
    public BufferView Weight { get; init; }

    /// <summary>[Rows, OutputFeatures]; needed unless the activation is None.</summary>
    public BufferView PreActivation { get; init; }

    /// <summary>[Rows, OutputFeatures].</summary>
    public BufferView OutputGradient { get; init; }

    /// <summary>[Rows, InputFeatures], overwritten; absent: not computed.</summary>
    public BufferView InputGradient { get; init; }

    /// <summary>[OutputFeatures, InputFeatures], added to; absent: not computed.</summary>
    public BufferView WeightGradient { get; init; }

    /// <summary>[OutputFeatures], added to; absent: not computed.</summary>
    public BufferView BiasGradient { get; init; }

    /// <summary>Rows of input and output.</summary>
    public int Rows { get; init; }

    /// <summary>Width of the input.</summary>
    public int InputFeatures { get; init; }

    /// <summary>Width of the output.</summary>
    public int OutputFeatures { get; init; }

    /// <summary>The activation of the forward call.</summary>
    public Activation Activation { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        OpCheck.NotNegative(Op, nameof(Rows), Rows);
        OpCheck.Positive(Op, nameof(InputFeatures), InputFeatures);
        OpCheck.Positive(Op, nameof(OutputFeatures), OutputFeatures);
        ShapeText input = $"[{Rows}, {InputFeatures}]";
        ShapeText output = $"[{Rows}, {OutputFeatures}]";
        ShapeText weight = $"[{OutputFeatures}, {InputFeatures}]";
        long weights = (long)OutputFeatures * InputFeatures;
        OpCheck.Floats(Op, "input", Input, (long)Rows * InputFeatures, input);
        OpCheck.Floats(Op, "weight", Weight, weights, weight);
        OpCheck.Floats(Op, "outputGradient", OutputGradient, (long)Rows * OutputFeatures, output);
        if (Activation == Activation.None)
        {
            OpCheck.FloatsOrAbsent(
                Op, "preActivation", PreActivation, (long)Rows * OutputFeatures, output);
        }
        else
        {
            OpCheck.Floats(
                Op, "preActivation", PreActivation, (long)Rows * OutputFeatures, output);
        }

        OpCheck.FloatsOrAbsent(
            Op, "inputGradient", InputGradient, (long)Rows * InputFeatures, input);
        OpCheck.FloatsOrAbsent(Op, "weightGradient", WeightGradient, weights, weight);
        OpCheck.FloatsOrAbsent(
            Op, "biasGradient", BiasGradient, OutputFeatures, $"[{OutputFeatures}]");
        OpCheck.Defined(Op, nameof(Activation), Activation);
        OpCheck.Apart(
            Op,
            [("inputGradient", InputGradient), ("weightGradient", WeightGradient),
                ("biasGradient", BiasGradient)],
            [("outputGradient", OutputGradient), ("input", Input), ("weight", Weight),
                ("preActivation", PreActivation)]);
    }
}
