using System.Globalization;

namespace Transformer.Tensors;

/// <summary>
/// The upper 16 bits of a binary32 number: 1 sign, 8 exponent and 7 fraction bits. A storage type;
/// arithmetic is done after widening, which is exact.
/// </summary>
public readonly struct BFloat16 : IEquatable<BFloat16>, IComparable<BFloat16>
{
    private readonly ushort bits;

    private BFloat16(ushort bits) => this.bits = bits;

    /// <summary>The number with the given bit pattern.</summary>
    public static BFloat16 FromBits(ushort bits) => new(bits);

    /// <summary>The bit pattern.</summary>
    public ushort Bits => bits;

    /// <summary>Rounds to nearest, ties to even; NaN stays NaN.</summary>
    public static explicit operator BFloat16(float value)
    {
        uint word = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value)) return new((ushort)((word >> 16) | 0x40));
        return new((ushort)((word + 0x7FFF + ((word >> 16) & 1)) >> 16));
    }

    /// <summary>Rounds once, to nearest, ties to even; NaN stays NaN.</summary>
    /// <remarks>Narrowing by way of binary32 would round twice. The binary32 number is therefore
    /// truncated with its last bit set where digits were lost ("round to odd"), which keeps which
    /// side of a tie the number lies on.</remarks>
    public static explicit operator BFloat16(double value)
    {
        float narrow = (float)value;
        if (double.IsNaN(value) || narrow == value) return (BFloat16)narrow;
        uint word = BitConverter.SingleToUInt32Bits(narrow);
        if (Math.Abs((double)narrow) > Math.Abs(value)) word--;
        return (BFloat16)BitConverter.UInt32BitsToSingle(word | 1);
    }

    /// <summary>Widens exactly.</summary>
    public static implicit operator float(BFloat16 value) =>
        BitConverter.UInt32BitsToSingle((uint)value.bits << 16);

    /// <inheritdoc/>
    public bool Equals(BFloat16 other) => (float)this == (float)other;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is BFloat16 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => ((float)this).GetHashCode();

    /// <inheritdoc/>
    public int CompareTo(BFloat16 other) => ((float)this).CompareTo(other);

    /// <inheritdoc/>
    public override string ToString() => ((float)this).ToString(CultureInfo.InvariantCulture);

    /// <summary>Numeric equality.</summary>
    public static bool operator ==(BFloat16 left, BFloat16 right) => left.Equals(right);

    /// <summary>Numeric inequality.</summary>
    public static bool operator !=(BFloat16 left, BFloat16 right) => !left.Equals(right);

    /// <summary>Numeric order.</summary>
    public static bool operator <(BFloat16 left, BFloat16 right) => (float)left < (float)right;

    /// <summary>Numeric order.</summary>
    public static bool operator <=(BFloat16 left, BFloat16 right) => (float)left <= (float)right;

    /// <summary>Numeric order.</summary>
    public static bool operator >(BFloat16 left, BFloat16 right) => (float)left > (float)right;

    /// <summary>Numeric order.</summary>
    public static bool operator >=(BFloat16 left, BFloat16 right) => (float)left >= (float)right;
}
