using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Transformer.Numerics;

/// <summary>8 floats in one 256-bit vector.</summary>
internal readonly unsafe struct Simd256 : ISimdFloat<Simd256>
{
    private readonly Vector256<float> v;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Simd256(Vector256<float> value) => v = value;

    public static int Width
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 8;
    }

    public static Simd256 Zero
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => new(Vector256<float>.Zero);
    }

    public Vector256<float> Vector
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => v;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Broadcast(float value) => new(Vector256.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Load(float* source) => new(Vector256.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 LoadPartial(float* source, int count)
    {
        if (Avx.IsSupported)
        {
            Vector256<float> mask = Vector256.LessThan(
                Vector256<int>.Indices, Vector256.Create(count)).AsSingle();
            return new(Avx.MaskLoad(source, mask));
        }

        Vector256<float> lanes = default;
        for (int lane = 0; lane < count; lane++) ((float*)&lanes)[lane] = source[lane];
        return new(lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 LoadWords(ushort* source) => Avx2.IsSupported
        ? new(Avx2.ConvertToVector256Int32(Vector128.Load((short*)source)).AsSingle())
        : new(Vector256.Create(Vector128.WidenLower(Vector128.Load((short*)source)),
            Vector128.WidenUpper(Vector128.Load((short*)source))).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 FromBFloat16(Simd256 words) => new((words.v.AsUInt32() << 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 FromFloat16(Simd256 words)
    {
        // The word's sign fills the bits above it: shifted, one of them is where a float's is.
        Vector256<float> small =
            ((words.v.AsInt32() << 13) & Vector256.Create(unchecked((int)0x8FFFFFFF))).AsSingle();
        // Exponents are 112 apart; a product with 2¹¹² also normalises subnormal numbers.
        Vector256<float> number = small * Vector256.Create(5.192296858534828e33f);
        // From 2⁻⁹⁶ on the word's exponent was the largest: ∞ or NaN.
        Vector256<float> special = Vector256.GreaterThanOrEqual(
            Vector256.Abs(small), Vector256.Create(1.2621774483536189e-29f));
        return new(Vector256.ConditionalSelect(
            special, number | Vector256.Create(float.PositiveInfinity), number));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 ToBFloat16(Simd256 value)
    {
        Vector256<uint> word = value.v.AsUInt32();
        Vector256<uint> odd = (word >> 16) & Vector256.Create(1u);
        Vector256<uint> rounded = (word + Vector256.Create(0x7FFFu) + odd) >> 16;
        Vector256<uint> quiet = (word >> 16) | Vector256.Create(0x40u);
        Vector256<uint> number = Vector256.Equals(value.v, value.v).AsUInt32();
        return new(Vector256.ConditionalSelect(number, rounded, quiet).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 ToFloat16(Simd256 value)
    {
        Vector256<uint> word = value.v.AsUInt32();
        Vector256<int> magnitude = (word & Vector256.Create(0x7FFFFFFFu)).AsInt32();
        // Exponents are 112 apart; from the least normal number down, a sum with ½ has the
        // subnormal numbers' unit as its own and is rounded to it.
        Vector256<int> odd = (magnitude >>> 13) & Vector256.Create(1);
        Vector256<int> normal = (magnitude + Vector256.Create(0xFFF - (112 << 23)) + odd) >>> 13;
        Vector256<int> small = (magnitude.AsSingle() + Vector256.Create(0.5f)).AsInt32() -
            Vector256.Create(0x3F000000);
        Vector256<int> least = Vector256.Create(0x38800000);
        Vector256<int> rounded = Vector256.Min(Vector256.Create(0x7C00),
            Vector256.ConditionalSelect(Vector256.LessThan(magnitude, least), small, normal));
        Vector256<int> number = Vector256.Equals(value.v, value.v).AsInt32();
        Vector256<int> result =
            Vector256.ConditionalSelect(number, rounded, Vector256.Create(0x7E00));
        return new((result.AsUInt32() | ((word >> 16) & Vector256.Create(0x8000u))).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreWords(Simd256 words, ushort* destination) =>
        Words(words).Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreWordsStreaming(Simd256 words, ushort* destination) =>
        Words(words).StoreAlignedNonTemporal(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ushort> Words(Simd256 words) => Vector128.Narrow(
        words.v.GetLower().AsUInt32(), words.v.GetUpper().AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Simd256 value, float* destination) => value.v.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreStreaming(Simd256 value, float* destination) =>
        value.v.StoreAlignedNonTemporal(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePartial(Simd256 value, float* destination, int count)
    {
        if (Avx.IsSupported)
        {
            Vector256<float> mask = Vector256.LessThan(
                Vector256<int>.Indices, Vector256.Create(count)).AsSingle();
            Avx.MaskStore(destination, mask, value.v);
            return;
        }

        for (int lane = 0; lane < count; lane++) destination[lane] = value.v.GetElement(lane);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 MultiplyAdd(Simd256 a, Simd256 b, Simd256 c) =>
        new(Vector256.MultiplyAddEstimate(a.v, b.v, c.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Max(Simd256 a, Simd256 b) => new(Vector256.MaxNative(a.v, b.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Min(Simd256 a, Simd256 b) => new(Vector256.MinNative(a.v, b.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Sqrt(Simd256 a) => new(Vector256.Sqrt(a.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Abs(Simd256 a) => new(Vector256.Abs(a.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Round(Simd256 a) => new(Vector256.Round(a.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 PowerOfTwo(Simd256 n) =>
        new(((Vector256.ConvertToInt32Native(n.v) + Vector256.Create(127)) << 23).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 PowerOfTwoBiased(Simd256 n) => new((n.v.AsInt32() << 23).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 SelectLess(Simd256 a, Simd256 b, Simd256 x, Simd256 y) =>
        new(Vector256.ConditionalSelect(Vector256.LessThan(a.v, b.v), x.v, y.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 SelectEqual(Simd256 a, Simd256 b, Simd256 x, Simd256 y) =>
        new(Vector256.ConditionalSelect(Vector256.Equals(a.v, b.v), x.v, y.v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 CopySign(Simd256 magnitude, Simd256 sign) =>
        new(magnitude.v | (sign.v & Vector256.Create(-0f)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Even(Simd256 a, Simd256 b) =>
        new(Vector256.Create(Dealt(a.v).GetLower(), Dealt(b.v).GetLower()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Odd(Simd256 a, Simd256 b) =>
        new(Vector256.Create(Dealt(a.v).GetUpper(), Dealt(b.v).GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 ZipLow(Simd256 even, Simd256 odd) =>
        new(Zipped(Vector256.Create(even.v.GetLower(), odd.v.GetLower())));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 ZipHigh(Simd256 even, Simd256 odd) =>
        new(Zipped(Vector256.Create(even.v.GetUpper(), odd.v.GetUpper())));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Simd256 a) => Vector256.Sum(a.v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> SumEach(Simd256 a, Simd256 b, Simd256 c, Simd256 d) =>
        Simd128.SumEach(a.Folded(), b.Folded(), c.Folded(), d.Folded());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxAcross(Simd256 a)
    {
        Vector128<float> half = Vector128.Max(a.v.GetLower(), a.v.GetUpper());
        return Simd128.MaxAcross(new(half));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> MaxAcross(Simd256 a, Simd256 b, Simd256 c, Simd256 d) =>
        Simd128.MaxAcross(Halved(a), Halved(b), Halved(c), Halved(d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Simd128 Halved(Simd256 a) =>
        new(Vector128.MaxNative(a.v.GetLower(), a.v.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Exp(Simd256 a) => SimdMath.Exp(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Tanh(Simd256 a) => SimdMath.Tanh(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 operator +(Simd256 a, Simd256 b) => new(a.v + b.v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 operator -(Simd256 a, Simd256 b) => new(a.v - b.v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 operator *(Simd256 a, Simd256 b) => new(a.v * b.v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 operator /(Simd256 a, Simd256 b) => new(a.v / b.v);

    /// <summary>The sum of both halves.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Simd128 Folded() => new(v.GetLower() + v.GetUpper());

    /// <summary>Even lanes, then odd ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Dealt(Vector256<float> a) =>
        Vector256.Shuffle(a, Vector256.Create(0, 2, 4, 6, 1, 3, 5, 7));

    /// <summary>The inverse of <see cref="Dealt"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Zipped(Vector256<float> a) =>
        Vector256.Shuffle(a, Vector256.Create(0, 4, 1, 5, 2, 6, 3, 7));
}
