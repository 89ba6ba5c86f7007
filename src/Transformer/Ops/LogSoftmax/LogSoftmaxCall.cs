using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// output[o, l, i] = input[o, l, i] − ln Σₖ exp(input[o, k, i]): the logarithm of
/// <see cref="SoftmaxForward"/>, without the softmax in between.
/// </summary>
/// <remarks>As LogSoftmax of ai.onnx from opset 13 on: a line that holds NaN or +∞, or nothing but
/// −∞, is NaN as a whole.</remarks>
public readonly record struct LogSoftmaxForward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "LogSoftmax";

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
