using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// The Count largest elements of each row, the largest first: indices[r, i] is the place of the
/// i-th largest of input[r, ·], values[r, i] that element.
/// </summary>
/// <remarks>Equal elements (−0 equals 0) come by rising index. NaN counts as larger than any
/// number, as in PyTorch's topk, so that what is damaged shows. ai.onnx TopK with largest = 1 and
/// sorted = 1; Count 1 is ArgMax.</remarks>
public readonly record struct TopKForward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "TopK";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>[Rows, Length].</summary>
    public BufferView Input { get; init; }

    /// <summary>[Rows, Count], of the input's type; optional.</summary>
    public BufferView Values { get; init; }

    /// <summary>[Rows, Count] Int32.</summary>
    public BufferView Indices { get; init; }

    /// <summary>Rows.</summary>
    public int Rows { get; init; }

    /// <summary>Elements of a row.</summary>
    public int Length { get; init; }

    /// <summary>Elements taken from each row, 1 to Length.</summary>
    public int Count { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        OpCheck.NotNegative(Op, nameof(Rows), Rows);
        OpCheck.Positive(Op, nameof(Length), Length);
        OpCheck.InRange(Op, nameof(Count), Count, 1, Length);
        ShapeText taken = $"[{Rows}, {Count}]";
        OpCheck.Floats(Op, "input", Input, OpCheck.Count(Rows, Length), $"[{Rows}, {Length}]");
        OpCheck.FloatsOrAbsent(Op, "values", Values, OpCheck.Count(Rows, Count), taken);
        OpCheck.Exactly(Op, "indices", Indices, OpCheck.Count(Rows, Count), taken);
        OpCheck.IsInt32(Op, "indices", Indices);
        if (Values.IsPresent && Values.DType != Input.DType)
        {
            OpCheck.Throw(Op, $"'values' is {Values.DType}; expected {Input.DType}, as 'input' " +
                "is. Pass a buffer of that type.");
        }

        OpCheck.Apart(Op, [("values", Values), ("indices", Indices)], [("input", Input)]);
    }
}
