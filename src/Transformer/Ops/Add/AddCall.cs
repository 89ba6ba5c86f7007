using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>output = left + right, element by element; its gradient is the identity for both.
/// </summary>
public readonly record struct AddForward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "Add";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>[Length].</summary>
    public BufferView Left { get; init; }

    /// <summary>[Length].</summary>
    public BufferView Right { get; init; }

    /// <summary>[Length]; may be either input itself.</summary>
    public BufferView Output { get; init; }

    /// <summary>Elements.</summary>
    public long Length { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        OpCheck.NotNegative(Op, nameof(Length), Length);
        OpCheck.Floats(Op, "left", Left, Length, $"[{Length}]");
        OpCheck.Floats(Op, "right", Right, Length, $"[{Length}]");
        OpCheck.Floats(Op, "output", Output, Length, $"[{Length}]");
        OpCheck.NoOverlap(Op, "output", Output, "left", Left, inPlaceAllowed: true);
        OpCheck.NoOverlap(Op, "output", Output, "right", Right, inPlaceAllowed: true);
    }
}
