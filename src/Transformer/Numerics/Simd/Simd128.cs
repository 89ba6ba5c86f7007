using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Transformer.Numerics;

/// <summary>4 floats in one 128-bit vector.</summary>
internal readonly unsafe struct Simd128 : ISimdFloat<Simd128>
{
    private readonly Vector128<float> v;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Simd128(Vector128<float> value) => v = value;

    public static int Width
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 4;
    }

    public static Simd128 Zero
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => new(Vector128<float>.Zero);
    }

    public Vector128<float> Vector
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => v;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Broadcast(float value) => new(Vector128.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Load(float* source) => new(Vector128.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 LoadPartial(float* source, int count)
    {
        Vector128<float> lanes = Vector128<float>.Zero;
        for (int lane = 0; lane < count; lane++) lanes = lanes.WithElement(lane, source[lane]);
        return new(lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 LoadWords(ushort* source) =>
        new(Vector128.WidenLower(Vector128.CreateScalarUnsafe(
            Unsafe.ReadUnaligned<ulong>(source)).AsInt16()).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 FromBFloat16(Simd128 words) => new((words.v.AsUInt32() << 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 FromFloat16(Simd128 words)
    {
        // The word's sign fills the bits above it: shifted, one of them is where a float's is.
        Vector128<float> small =
            ((words.v.AsInt32() << 13) & Vector128.Create(unchecked((int)0x8FFFFFFF))).AsSingle();
        // Exponents are 112 apart; a product with 2¹¹² also normalises subnormal numbers.
        Vector128<float> number = small * Vector128.Create(5.192296858534828e33f);
        // From 2⁻⁹⁶ on the word's exponent was the largest: ∞ or NaN.
        Vector128<float> special = Vector128.GreaterThanOrEqual(
            Vector128.Abs(small), Vector128.Create(1.2621774483536189e-29f));
        return new(Vector128.ConditionalSelect(
            special, number | Vector128.Create(float.PositiveInfinity), number));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 ToBFloat16(Simd128 value)
    {
        Vector128<uint> word = value.v.AsUInt32();
        Vector128<uint> odd = (word >> 16) & Vector128.Create(1u);
        Vector128<uint> rounded = (word + Vector128.Create(0x7FFFu) + odd) >> 16;
        Vector128<uint> quiet = (word >> 16) | Vector128.Create(0x40u);
        Vector128<uint> number = Vector128.Equals(value.v, value.v).AsUInt32();
        return new(Vector128.ConditionalSelect(number, rounded, quiet).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 ToFloat16(Simd128 value)
    {
        Vector128<uint> word = value.v.AsUInt32();
        Vector128<int> magnitude = (word & Vector128.Create(0x7FFFFFFFu)).AsInt32();
        // Exponents are 112 apart; from the least normal number down, a sum with ½ has the
        // subnormal numbers' unit as its own and is rounded to it.
        Vector128<int> odd = (magnitude >>> 13) & Vector128.Create(1);
        Vector128<int> normal = (magnitude + Vector128.Create(0xFFF - (112 << 23)) + odd) >>> 13;
        Vector128<int> small = (magnitude.AsSingle() + Vector128.Create(0.5f)).AsInt32() -
            Vector128.Create(0x3F000000);
        Vector128<int> least = Vector128.Create(0x38800000);
        Vector128<int> rounded = Vector128.Min(Vector128.Create(0x7C00),
            Vector128.ConditionalSelect(Vector128.LessThan(magnitude, least), small, normal));
        Vector128<int> number = Vector128.Equals(value.v, value.v).AsInt32();
        Vector128<int> result =
            Vector128.ConditionalSelect(number, rounded, Vector128.Create(0x7E00));
        return new((result.AsUInt32() | ((word >> 16) & Vector128.Create(0x8000u))).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreWords(Simd128 words, ushort* destination) =>
        Unsafe.WriteUnaligned(destination, Vector128.Narrow(
            words.v.AsUInt32(), words.v.AsUInt32()).AsUInt64().ToScalar());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreWordsStreaming(Simd128 words, ushort* destination)
    {
        ulong four = Vector128.Narrow(words.v.AsUInt32(), words.v.AsUInt32()).AsUInt64().ToScalar();
        if (Sse2.X64.IsSupported) Sse2.X64.StoreNonTemporal((ulong*)destination, four);
        else *(ulong*)destination = four;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Simd128 value, float* destination) => value.v.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreStreaming(Simd128 value, float* destination) =>
        value.v.StoreAlignedNonTemporal(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePartial(Simd128 value, float* destination, int count)
    {
        for (int lane = 0; lane < count; lane++) destination[lane] = value.v.GetElement(lane);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 MultiplyAdd(Simd128 a, Simd128 b, Simd128 c) =>
        new(Vector128.MultiplyAddEstimate(a.v, b.v, c.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Max(Simd128 a, Simd128 b) => new(Vector128.MaxNative(a.v, b.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Min(Simd128 a, Simd128 b) => new(Vector128.MinNative(a.v, b.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Sqrt(Simd128 a) => new(Vector128.Sqrt(a.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Abs(Simd128 a) => new(Vector128.Abs(a.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Round(Simd128 a) => new(Vector128.Round(a.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 PowerOfTwo(Simd128 n) =>
        new(((Vector128.ConvertToInt32Native(n.v) + Vector128.Create(127)) << 23).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 PowerOfTwoBiased(Simd128 n) => new((n.v.AsInt32() << 23).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 SelectLess(Simd128 a, Simd128 b, Simd128 x, Simd128 y) =>
        new(Vector128.ConditionalSelect(Vector128.LessThan(a.v, b.v), x.v, y.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 SelectEqual(Simd128 a, Simd128 b, Simd128 x, Simd128 y) =>
        new(Vector128.ConditionalSelect(Vector128.Equals(a.v, b.v), x.v, y.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 CopySign(Simd128 magnitude, Simd128 sign) =>
        new(magnitude.v | (sign.v & Vector128.Create(-0f)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Even(Simd128 a, Simd128 b) =>
        new(Vector128.Create(Dealt(a.v).GetLower(), Dealt(b.v).GetLower()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Odd(Simd128 a, Simd128 b) =>
        new(Vector128.Create(Dealt(a.v).GetUpper(), Dealt(b.v).GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 ZipLow(Simd128 even, Simd128 odd) =>
        new(Zipped(Vector128.Create(even.v.GetLower(), odd.v.GetLower())));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 ZipHigh(Simd128 even, Simd128 odd) =>
        new(Zipped(Vector128.Create(even.v.GetUpper(), odd.v.GetUpper())));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Simd128 a) => Vector128.Sum(a.v);

    // A 4×4 transpose by halves, with each half added as soon as it is there.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> SumEach(Simd128 a, Simd128 b, Simd128 c, Simd128 d)
    {
        Vector128<float> ab = Lane.ZipLow(a.v, b.v) + Lane.ZipHigh(a.v, b.v);
        Vector128<float> cd = Lane.ZipLow(c.v, d.v) + Lane.ZipHigh(c.v, d.v);
        return Lane.JoinLow(ab, cd) + Lane.JoinHigh(ab, cd);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxAcross(Simd128 a)
    {
        Vector128<float> pair = Vector128.Max(
            a.v, Vector128.Shuffle(a.v, Vector128.Create(2, 3, 0, 1)));
        return Vector128.Max(pair, Vector128.Shuffle(pair, Vector128.Create(1, 0, 3, 2)))
            .ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> MaxAcross(Simd128 a, Simd128 b, Simd128 c, Simd128 d)
    {
        // As in a transposition: lanes of (a, b) and (c, d) side by side, then of all four.
        Vector128<float> ab = Vector128.MaxNative(Lane.ZipLow(a.v, b.v), Lane.ZipHigh(a.v, b.v));
        Vector128<float> cd = Vector128.MaxNative(Lane.ZipLow(c.v, d.v), Lane.ZipHigh(c.v, d.v));
        return Vector128.MaxNative(Lane.JoinLow(ab, cd), Lane.JoinHigh(ab, cd));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Exp(Simd128 a) => SimdMath.Exp(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Tanh(Simd128 a) => SimdMath.Tanh(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 operator +(Simd128 a, Simd128 b) => new(a.v + b.v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 operator -(Simd128 a, Simd128 b) => new(a.v - b.v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 operator *(Simd128 a, Simd128 b) => new(a.v * b.v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 operator /(Simd128 a, Simd128 b) => new(a.v / b.v);

    /// <summary>Even lanes, then odd ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Dealt(Vector128<float> a) =>
        Vector128.Shuffle(a, Vector128.Create(0, 2, 1, 3));

    /// <summary>The inverse of <see cref="Dealt"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Zipped(Vector128<float> a) =>
        Vector128.Shuffle(a, Vector128.Create(0, 2, 1, 3));
}
