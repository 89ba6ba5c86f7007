using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>
/// What a normalisation fetches of its next row while it works on this one: memory then never waits
/// for the passes that run in the cache.
/// </summary>
/// <remarks>The pass that sums squares and the one that writes fetch a part each: the inputs where
/// there are two, else the halves of one.</remarks>
internal readonly unsafe struct NextRow
{
    private readonly int slow;

    /// <param name="input">This row of the input.</param>
    /// <param name="residual">This row of the residual; may be null.</param>
    /// <param name="width">Elements of a row.</param>
    /// <param name="exists">Whether there is a next row; if not, this one is asked for again.
    /// </param>
    public NextRow(float* input, float* residual, int width, bool exists)
    {
        int step = exists ? width : 0;
        slow = residual == null ? 1 : 0;
        First = input + step;
        Second = residual == null ? First + (width / 2) : residual + step;
    }

    /// <summary>Fetched by the first of the two passes.</summary>
    public float* First { get; }

    /// <summary>Fetched by the second.</summary>
    public float* Second { get; }

    /// <summary>Where fetching has come to at an index of the pass.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public nint At(nint index) => index >> slow;
}

/// <summary>What the vectorised normalisations share.</summary>
internal static unsafe class NormRows
{
    /// <summary>Elements whose squares are summed in binary32; a longer row adds up such sums in
    /// double, so that its error does not grow with its length.</summary>
    public const int SumLength = 4096;

    /// <summary>A sum of squares from which on none that vanished in binary32 counts: 0 where ε
    /// hides them anyway.</summary>
    public static float FewestSquares(double epsilon)
    {
        const float SmallSum = 1e-24f;
        return epsilon > SmallSum ? 0 : SmallSum;
    }

    /// <summary>Σ (x − center)² in double, for rows whose squares leave the range of binary32.
    /// </summary>
    public static double Squares(float* x, int count, float center)
    {
        double sum = 0;
        for (int i = 0; i < count; i++) sum += ((double)x[i] - center) * ((double)x[i] - center);
        return sum;
    }

    /// <summary>result = a, or a + b where there is a b; the result may be either.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add<T>(float* a, float* b, int width, float* result)
        where T : struct, ISimdFloat<T>
    {
        int i = 0;
        for (; i + T.Width <= width; i += T.Width)
        {
            T value = T.Load(a + i);
            T.Store(b == null ? value : value + T.Load(b + i), result + i);
        }

        for (; i < width; i++) result[i] = b == null ? a[i] : a[i] + b[i];
    }

    /// <summary>Σ x in double: a mean near 0 of numbers that are not keeps its digits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double Total(float* x, int count)
    {
        Vector512<double> s0 = default, s1 = default, s2 = default, s3 = default;
        int i = 0;
        for (; i + 32 <= count; i += 32)
        {
            s0 += Widen(x + i);
            s1 += Widen(x + i + 8);
            s2 += Widen(x + i + 16);
            s3 += Widen(x + i + 24);
        }

        for (; i + 8 <= count; i += 8) s0 += Widen(x + i);
        double tail = 0;
        for (; i < count; i++) tail += x[i];
        return Vector512.Sum((s0 + s1) + (s2 + s3)) + tail;
    }

    /// <summary>Eight elements; one instruction where the machine has it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<double> Widen(float* x)
    {
        Vector256<float> eight = Vector256.Load(x);
        if (Avx512F.IsSupported) return Avx512F.ConvertToVector512Double(eight);
        (Vector256<double> low, Vector256<double> high) = Vector256.Widen(eight);
        return Vector512.Create(low, high);
    }

    /// <summary>target += source: one batch's share of a parameter's gradient.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Accumulate<T>(float* source, int width, float* target)
        where T : struct, ISimdFloat<T>
    {
        int i = 0;
        for (; i + T.Width <= width; i += T.Width)
            T.Store(T.Load(target + i) + T.Load(source + i), target + i);
        for (; i < width; i++) target[i] += source[i];
    }
}
