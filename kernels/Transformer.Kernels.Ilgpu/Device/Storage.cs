using ILGPU;

namespace Transformer.Kernels.Ilgpu.Device;

/// <summary>How numbers are stored; kernels compute in float and round once, on storing.</summary>
/// <typeparam name="T">What a view holds.</typeparam>
internal interface IStorage<T> where T : unmanaged
{
    float Load(ArrayView<T> view, long index);

    void Store(ArrayView<T> view, long index, float value);

    /// <summary>Four elements at a multiple of four from an aligned start.</summary>
    Float4 Load4(ArrayView<T> view, long index);

    void Store4(ArrayView<T> view, long index, Float4 value);
}

/// <summary>Float32.</summary>
internal struct SingleStorage : IStorage<float>
{
    public readonly float Load(ArrayView<float> view, long index) => view[index];

    public readonly void Store(ArrayView<float> view, long index, float value) =>
        view[index] = value;

    public readonly Float4 Load4(ArrayView<float> view, long index) =>
        view.Cast<Float4>()[index / 4];

    public readonly void Store4(ArrayView<float> view, long index, Float4 value) =>
        view.Cast<Float4>()[index / 4] = value;
}

/// <summary>Float16, converted by integer arithmetic: the same on every device.</summary>
internal struct HalfStorage : IStorage<ushort>
{
    public readonly float Load(ArrayView<ushort> view, long index) => Widen(view[index]);

    public readonly void Store(ArrayView<ushort> view, long index, float value) =>
        view[index] = Narrow(value);

    public readonly Float4 Load4(ArrayView<ushort> view, long index)
    {
        UShort4 four = view.Cast<UShort4>()[index / 4];
        return new(Widen(four.X), Widen(four.Y), Widen(four.Z), Widen(four.W));
    }

    public readonly void Store4(ArrayView<ushort> view, long index, Float4 value)
    {
        UShort4 four;
        four.X = Narrow(value.X);
        four.Y = Narrow(value.Y);
        four.Z = Narrow(value.Z);
        four.W = Narrow(value.W);
        view.Cast<UShort4>()[index / 4] = four;
    }

    private static float Widen(ushort half)
    {
        uint bits = half, sign = (bits & 0x8000) << 16;
        uint exponent = (bits >> 10) & 31, fraction = bits & 1023;
        if (exponent == 0)
        {
            float subnormal = fraction * 5.9604644775390625e-8f; // 2^-24
            return sign != 0 ? -subnormal : subnormal;
        }

        uint wide = exponent == 31 ? 255 : exponent + 112;
        return Interop.IntAsFloat(sign | (wide << 23) | (fraction << 13));
    }

    // To nearest, ties to even.
    private static ushort Narrow(float value)
    {
        uint bits = Interop.FloatAsInt(value);
        uint sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7FFFFFFF;
        uint rounded;
        if (magnitude > 0x7F800000) rounded = 0x7E00;
        else if (magnitude >= 0x477FF000) rounded = 0x7C00; // 65520 and more
        else if (magnitude >= 0x38800000) // normal: 13 bits fewer
        {
            rounded = (magnitude + 0xFFF + ((magnitude >> 13) & 1) - 0x38000000) >> 13;
        }
        else
        {
            // Adding 1/2 leaves the multiples of 2^-24 in the low bits, rounded to nearest even.
            rounded = Interop.FloatAsInt(Interop.IntAsFloat(magnitude) + 0.5f) - 0x3F000000;
        }

        return (ushort)(sign | rounded);
    }
}

/// <summary>BFloat16.</summary>
internal struct BrainStorage : IStorage<ushort>
{
    public readonly float Load(ArrayView<ushort> view, long index) => Widen(view[index]);

    public readonly void Store(ArrayView<ushort> view, long index, float value) =>
        view[index] = Narrow(value);

    public readonly Float4 Load4(ArrayView<ushort> view, long index)
    {
        UShort4 four = view.Cast<UShort4>()[index / 4];
        return new(Widen(four.X), Widen(four.Y), Widen(four.Z), Widen(four.W));
    }

    public readonly void Store4(ArrayView<ushort> view, long index, Float4 value)
    {
        UShort4 four;
        four.X = Narrow(value.X);
        four.Y = Narrow(value.Y);
        four.Z = Narrow(value.Z);
        four.W = Narrow(value.W);
        view.Cast<UShort4>()[index / 4] = four;
    }

    private static float Widen(ushort brain) => Interop.IntAsFloat((uint)brain << 16);

    // To nearest, ties to even.
    private static ushort Narrow(float value)
    {
        uint bits = Interop.FloatAsInt(value);
        uint rounded = (bits & 0x7FFFFFFF) > 0x7F800000
            ? (bits >> 16) | 0x40 : (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
        return (ushort)rounded;
    }
}
