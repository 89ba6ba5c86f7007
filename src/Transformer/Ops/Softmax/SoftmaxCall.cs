using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// output[o, l, i] = exp(input[o, l, i]) / Σₖ exp(input[o, k, i]): the softmax over any axis of a
/// tensor, whose axes before it count as one and those behind it as another.
/// </summary>
/// <remarks>As Softmax of ai.onnx from opset 13 on: a line that holds NaN or +∞, or nothing but −∞,
/// is NaN as a whole.</remarks>
public readonly record struct SoftmaxForward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "Softmax";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>[Outer, Length, Inner].</summary>
    public BufferView Input { get; init; }

    /// <summary>[Outer, Length, Inner]; may be the input itself.</summary>
    public BufferView Output { get; init; }

    /// <summary>Product of the axes before the normalised one.</summary>
    public int Outer { get; init; }

    /// <summary>Size of the normalised axis.</summary>
    public int Length { get; init; }

    /// <summary>Product of the axes behind it; 1 where it is the last.</summary>
    public int Inner { get; init; }

    /// <inheritdoc/>
    public void Validate() =>
        SoftmaxChecks.Check(Op, Input, Output, Outer, Length, Inner);
}

internal static class SoftmaxChecks
{
    public static void Check(
        string op, BufferView input, BufferView output, int outer, int length, int inner)
    {
        OpCheck.NotNegative(op, "Outer", outer);
        OpCheck.NotNegative(op, "Length", length);
        OpCheck.NotNegative(op, "Inner", inner);
        ShapeText shape = $"[{outer}, {length}, {inner}]";
        long count = OpCheck.Count(outer, length, inner);
        OpCheck.Floats(op, "input", input, count, shape);
        OpCheck.Floats(op, "output", output, count, shape);
        OpCheck.NoOverlap(op, "output", output, "input", input, inPlaceAllowed: true);
    }
}
