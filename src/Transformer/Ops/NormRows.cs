using System.Runtime.CompilerServices;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>What the vectorised normalisations share.</summary>
internal static unsafe class NormRows
{
    /// <summary>Elements whose squares are summed in binary32; a longer row adds up such sums in
    /// double, so that its error does not grow with its length.</summary>
    public const int SumLength = 4096;

    /// <summary>result = a, or a + b where there is a b; the result may be either.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add<T>(float* a, float* b, int width, float* result)
        where T : struct, ISimdFloat<T>
    {
        for (int i = 0; i < width; i += T.Width)
        {
            T value = SimdTail.Load<T>(a + i, width - i);
            if (b != null) value += SimdTail.Load<T>(b + i, width - i);
            SimdTail.Store(value, result + i, width - i);
        }
    }

    /// <summary>target += source: one batch's share of a parameter's gradient.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Accumulate<T>(float* source, int width, float* target)
        where T : struct, ISimdFloat<T>
    {
        for (int i = 0; i < width; i += T.Width)
        {
            T value = SimdTail.Load<T>(target + i, width - i);
            SimdTail.Store(
                value + SimdTail.Load<T>(source + i, width - i), target + i, width - i);
        }
    }
}
