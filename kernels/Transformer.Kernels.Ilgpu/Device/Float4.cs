using System.Runtime.InteropServices;

namespace Transformer.Kernels.Ilgpu.Device;

/// <summary>Four floats that one instruction of 128 bits loads or stores.</summary>
[StructLayout(LayoutKind.Sequential, Size = 16)]
internal struct Float4
{
    public float X, Y, Z, W;

    public Float4(float x, float y, float z, float w)
    {
        X = x;
        Y = y;
        Z = z;
        W = w;
    }

    public static Float4 operator +(Float4 a, Float4 b) =>
        new(a.X + b.X, a.Y + b.Y, a.Z + b.Z, a.W + b.W);

    public static Float4 operator -(Float4 a, Float4 b) =>
        new(a.X - b.X, a.Y - b.Y, a.Z - b.Z, a.W - b.W);

    public static Float4 operator *(Float4 a, Float4 b) =>
        new(a.X * b.X, a.Y * b.Y, a.Z * b.Z, a.W * b.W);

    public static Float4 operator *(float a, Float4 b) =>
        new(a * b.X, a * b.Y, a * b.Z, a * b.W);

    /// <summary>The same number four times.</summary>
    public static Float4 All(float value) => new(value, value, value, value);

    /// <summary>Its sum.</summary>
    public readonly float Sum() => X + Y + (Z + W);

    /// <summary>The first <paramref name="count"/> numbers, zeros behind them.</summary>
    public readonly Float4 First(int count) => new(
        count > 0 ? X : 0, count > 1 ? Y : 0, count > 2 ? Z : 0, count > 3 ? W : 0);
}

/// <summary>Four elements of 16 bits.</summary>
[StructLayout(LayoutKind.Sequential, Size = 8)]
internal struct UShort4
{
    public ushort X, Y, Z, W;
}
