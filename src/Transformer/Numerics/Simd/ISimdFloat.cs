using System.Runtime.Intrinsics;

namespace Transformer.Numerics;

/// <summary>
/// A vector of floats of one width. Kernels are generic over it, so one source serves 512-, 256-
/// and 128-bit machines: the JIT compiles each instantiation with the vectors in registers.
/// </summary>
/// <remarks>
/// <see cref="SimdDispatch"/> chooses the width once, at the kernel's entry.
/// Functions that take or return vectors must be <c>AggressiveInlining</c>.
/// </remarks>
internal unsafe interface ISimdFloat<TSelf> : IFloatVector<TSelf>
    where TSelf : struct, ISimdFloat<TSelf>
{
    /// <summary>Floats in a vector.</summary>
    static abstract int Width { get; }

    /// <summary>All lanes 0.</summary>
    static abstract TSelf Zero { get; }

    /// <summary>Width floats from an address of any alignment.</summary>
    static abstract TSelf Load(float* source);

    /// <summary>The first <paramref name="count"/> floats, the other lanes 0; reads no more.
    /// </summary>
    static abstract TSelf LoadPartial(float* source, int count);

    /// <summary>Width 16-bit words from an address of any alignment, each in a lane's low half; the
    /// high half is zeros or the word's sign, as the width's own conversions want it.</summary>
    static abstract TSelf LoadWords(ushort* source);

    /// <summary>bfloat16 words, as <see cref="LoadWords"/> gives them, to numbers, exactly.
    /// </summary>
    static abstract TSelf FromBFloat16(TSelf words);

    /// <summary>binary16 words, as <see cref="LoadWords"/> gives them, to numbers, exactly.
    /// </summary>
    static abstract TSelf FromFloat16(TSelf words);

    /// <summary>Numbers rounded to bfloat16, ties to even, as words that
    /// <see cref="StoreWords"/> takes; NaN keeps its payload's upper bits and is made quiet.
    /// </summary>
    static abstract TSelf ToBFloat16(TSelf value);

    /// <summary>Numbers rounded to binary16, otherwise as <see cref="ToBFloat16"/>; any NaN becomes
    /// the quiet one.</summary>
    static abstract TSelf ToFloat16(TSelf value);

    /// <summary>Writes each lane's low half.</summary>
    static abstract void StoreWords(TSelf words, ushort* destination);

    /// <summary>As <see cref="StoreWords"/>, past the caches, to an address aligned to what is
    /// written; a <see cref="SimdStream.Fence"/> must follow.</summary>
    static abstract void StoreWordsStreaming(TSelf words, ushort* destination);

    /// <summary>Writes all lanes.</summary>
    static abstract void Store(TSelf value, float* destination);

    /// <summary>Writes all lanes past the caches to an address aligned to the vector; a
    /// <see cref="SimdStream.Fence"/> must follow before anybody else may read them.</summary>
    static abstract void StoreStreaming(TSelf value, float* destination);

    /// <summary>Writes the first <paramref name="count"/> lanes and no more.</summary>
    static abstract void StorePartial(TSelf value, float* destination, int count);

    /// <summary>a·b + c, rounded once where the machine can.</summary>
    static abstract TSelf MultiplyAdd(TSelf a, TSelf b, TSelf c);

    /// <summary>Nearest integer, ties to even.</summary>
    static abstract TSelf Round(TSelf a);

    /// <summary>2ⁿ for integral n in [−126, 127].</summary>
    static abstract TSelf PowerOfTwo(TSelf n);

    /// <summary>2ⁿ from n + 1.5·2²³ + 127, n integral in [−126, 127]: the sum's low bits are the
    /// exponent, so one shift makes the power.</summary>
    static abstract TSelf PowerOfTwoBiased(TSelf n);

    /// <summary>Lane-wise <c>a == b ? x : y</c>; NaN compares false.</summary>
    static abstract TSelf SelectEqual(TSelf a, TSelf b, TSelf x, TSelf y);

    /// <summary>The sign of <paramref name="sign"/> on the magnitude of a non-negative number.
    /// </summary>
    static abstract TSelf CopySign(TSelf magnitude, TSelf sign);

    /// <summary>Lanes 0, 2, 4, … of the 2 · Width lanes of (a, b).</summary>
    static abstract TSelf Even(TSelf a, TSelf b);

    /// <summary>Lanes 1, 3, 5, … of the 2 · Width lanes of (a, b).</summary>
    static abstract TSelf Odd(TSelf a, TSelf b);

    /// <summary>even₀, odd₀, even₁, odd₁, …: the first Width of them.</summary>
    static abstract TSelf ZipLow(TSelf even, TSelf odd);

    /// <summary>even₀, odd₀, even₁, odd₁, …: the last Width of them.</summary>
    static abstract TSelf ZipHigh(TSelf even, TSelf odd);

    /// <summary>Sum of all lanes, pairwise.</summary>
    static abstract float Sum(TSelf a);

    /// <summary>The sums of all lanes of four vectors.</summary>
    static abstract Vector128<float> SumEach(TSelf a, TSelf b, TSelf c, TSelf d);

    /// <summary>Largest lane.</summary>
    static abstract float MaxAcross(TSelf a);

    /// <summary>The largest lane of each of four vectors; NaN may or may not count.</summary>
    static abstract Vector128<float> MaxAcross(TSelf a, TSelf b, TSelf c, TSelf d);
}
