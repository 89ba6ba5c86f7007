using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Transformer.Numerics;

/// <summary>16 floats in one 512-bit vector.</summary>
internal readonly unsafe struct Simd512 : ISimdFloat<Simd512>
{
    private readonly Vector512<float> v;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Simd512(Vector512<float> value) => v = value;

    public static int Width
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 16;
    }

    public static Simd512 Zero
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => new(Vector512<float>.Zero);
    }

    public Vector512<float> Vector
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => v;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Broadcast(float value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Load(float* source) => new(Vector512.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 LoadPartial(float* source, int count)
    {
        if (Avx512F.IsSupported)
        {
            Vector512<float> mask = Vector512.LessThan(
                Vector512<int>.Indices, Vector512.Create(count)).AsSingle();
            return new(Avx512F.MaskLoad(source, mask, Vector512<float>.Zero));
        }

        Vector512<float> lanes = default;
        for (int lane = 0; lane < count; lane++) ((float*)&lanes)[lane] = source[lane];
        return new(lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 LoadWords(ushort* source) => Avx512F.IsSupported
        ? new(Avx512F.ConvertToVector512Int32(Vector256.Load((short*)source)).AsSingle())
        : new(Vector512.Create(Vector256.WidenLower(Vector256.Load((short*)source)),
            Vector256.WidenUpper(Vector256.Load((short*)source))).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 FromBFloat16(Simd512 words) => new((words.v.AsUInt32() << 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 FromFloat16(Simd512 words)
    {
        // The word's sign fills the bits above it: shifted, one of them is where a float's is.
        Vector512<float> small =
            ((words.v.AsInt32() << 13) & Vector512.Create(unchecked((int)0x8FFFFFFF))).AsSingle();
        // Exponents are 112 apart; a product with 2¹¹² also normalises subnormal numbers.
        Vector512<float> number = small * Vector512.Create(5.192296858534828e33f);
        // From 2⁻⁹⁶ on the word's exponent was the largest: ∞ or NaN.
        Vector512<float> special = Vector512.GreaterThanOrEqual(
            Vector512.Abs(small), Vector512.Create(1.2621774483536189e-29f));
        return new(Vector512.ConditionalSelect(
            special, number | Vector512.Create(float.PositiveInfinity), number));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 ToBFloat16(Simd512 value)
    {
        Vector512<uint> word = value.v.AsUInt32();
        Vector512<uint> odd = (word >> 16) & Vector512.Create(1u);
        Vector512<uint> rounded = (word + Vector512.Create(0x7FFFu) + odd) >> 16;
        Vector512<uint> quiet = (word >> 16) | Vector512.Create(0x40u);
        Vector512<uint> number = Vector512.Equals(value.v, value.v).AsUInt32();
        return new(Vector512.ConditionalSelect(number, rounded, quiet).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 ToFloat16(Simd512 value)
    {
        Vector512<uint> word = value.v.AsUInt32();
        Vector512<int> magnitude = (word & Vector512.Create(0x7FFFFFFFu)).AsInt32();
        // Exponents are 112 apart; from the least normal number down, a sum with ½ has the
        // subnormal numbers' unit as its own and is rounded to it.
        Vector512<int> odd = (magnitude >>> 13) & Vector512.Create(1);
        Vector512<int> normal = (magnitude + Vector512.Create(0xFFF - (112 << 23)) + odd) >>> 13;
        Vector512<int> small = (magnitude.AsSingle() + Vector512.Create(0.5f)).AsInt32() -
            Vector512.Create(0x3F000000);
        Vector512<int> least = Vector512.Create(0x38800000);
        Vector512<int> rounded = Vector512.Min(Vector512.Create(0x7C00),
            Vector512.ConditionalSelect(Vector512.LessThan(magnitude, least), small, normal));
        Vector512<int> number = Vector512.Equals(value.v, value.v).AsInt32();
        Vector512<int> result =
            Vector512.ConditionalSelect(number, rounded, Vector512.Create(0x7E00));
        return new((result.AsUInt32() | ((word >> 16) & Vector512.Create(0x8000u))).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreWords(Simd512 words, ushort* destination) =>
        Words(words).Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreWordsStreaming(Simd512 words, ushort* destination) =>
        Words(words).StoreAlignedNonTemporal(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> Words(Simd512 words) => Avx512F.IsSupported
        ? Avx512F.ConvertToVector256UInt16(words.v.AsUInt32())
        : Vector256.Narrow(words.v.GetLower().AsUInt32(), words.v.GetUpper().AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Simd512 value, float* destination) => value.v.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreStreaming(Simd512 value, float* destination) =>
        value.v.StoreAlignedNonTemporal(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePartial(Simd512 value, float* destination, int count)
    {
        if (Avx512F.IsSupported)
        {
            Vector512<float> mask = Vector512.LessThan(
                Vector512<int>.Indices, Vector512.Create(count)).AsSingle();
            Avx512F.MaskStore(destination, mask, value.v);
            return;
        }

        for (int lane = 0; lane < count; lane++) destination[lane] = value.v.GetElement(lane);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 MultiplyAdd(Simd512 a, Simd512 b, Simd512 c) =>
        new(Vector512.MultiplyAddEstimate(a.v, b.v, c.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Max(Simd512 a, Simd512 b) => new(Vector512.MaxNative(a.v, b.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Min(Simd512 a, Simd512 b) => new(Vector512.MinNative(a.v, b.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Sqrt(Simd512 a) => new(Vector512.Sqrt(a.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Abs(Simd512 a) => new(Vector512.Abs(a.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Round(Simd512 a) => new(Vector512.Round(a.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 PowerOfTwo(Simd512 n) =>
        new(((Vector512.ConvertToInt32Native(n.v) + Vector512.Create(127)) << 23).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 PowerOfTwoBiased(Simd512 n) => new((n.v.AsInt32() << 23).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 SelectLess(Simd512 a, Simd512 b, Simd512 x, Simd512 y) =>
        new(Vector512.ConditionalSelect(Vector512.LessThan(a.v, b.v), x.v, y.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 SelectEqual(Simd512 a, Simd512 b, Simd512 x, Simd512 y) =>
        new(Vector512.ConditionalSelect(Vector512.Equals(a.v, b.v), x.v, y.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 CopySign(Simd512 magnitude, Simd512 sign) =>
        new(magnitude.v | (sign.v & Vector512.Create(-0f)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Even(Simd512 a, Simd512 b) =>
        new(Vector512.Create(Dealt(a.v).GetLower(), Dealt(b.v).GetLower()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Odd(Simd512 a, Simd512 b) =>
        new(Vector512.Create(Dealt(a.v).GetUpper(), Dealt(b.v).GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 ZipLow(Simd512 even, Simd512 odd) =>
        new(Zipped(Vector512.Create(even.v.GetLower(), odd.v.GetLower())));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 ZipHigh(Simd512 even, Simd512 odd) =>
        new(Zipped(Vector512.Create(even.v.GetUpper(), odd.v.GetUpper())));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Simd512 a) => Vector512.Sum(a.v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> SumEach(Simd512 a, Simd512 b, Simd512 c, Simd512 d) =>
        Simd256.SumEach(a.Folded(), b.Folded(), c.Folded(), d.Folded());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxAcross(Simd512 a)
    {
        Vector256<float> half = Vector256.Max(a.v.GetLower(), a.v.GetUpper());
        return Simd256.MaxAcross(new(half));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> MaxAcross(Simd512 a, Simd512 b, Simd512 c, Simd512 d) =>
        Simd256.MaxAcross(Halved(a), Halved(b), Halved(c), Halved(d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Simd256 Halved(Simd512 a) =>
        new(Vector256.MaxNative(a.v.GetLower(), a.v.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Exp(Simd512 a) => SimdMath.Exp(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Tanh(Simd512 a) => SimdMath.Tanh(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 operator +(Simd512 a, Simd512 b) => new(a.v + b.v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 operator -(Simd512 a, Simd512 b) => new(a.v - b.v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 operator *(Simd512 a, Simd512 b) => new(a.v * b.v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 operator /(Simd512 a, Simd512 b) => new(a.v / b.v);

    /// <summary>The sum of both halves.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Simd256 Folded() => new(v.GetLower() + v.GetUpper());

    /// <summary>Even lanes, then odd ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Dealt(Vector512<float> a) =>
        Vector512.Shuffle(a, Vector512.Create(
            0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15));

    /// <summary>The inverse of <see cref="Dealt"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Zipped(Vector512<float> a) =>
        Vector512.Shuffle(a, Vector512.Create(
            0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15));
}
