using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>One query of a key tile: which row it is and which keys of the tile it sees.
/// </summary>
/// <param name="Batch">Sequence.</param>
/// <param name="Head">Query head.</param>
/// <param name="Query">Position of the query.</param>
/// <param name="TileKey">Key that the tile's first column stands for.</param>
/// <param name="First">First visible column, before the Boolean mask.</param>
/// <param name="End">Column after the last visible one.</param>
internal readonly record struct AttentionRow(
    int Batch, int Head, int Query, int TileKey, int First, int End)
{
    private static ReadOnlySpan<float> LaneData =>
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    /// <summary>The row of a tile of <paramref name="keys"/> keys.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static AttentionRow Of(
        in AttentionProblem problem, int batch, int head, int query, int tileKey, int keys)
    {
        problem.VisibleKeys(batch, query, out int first, out int end);
        return new(batch, head, query, tileKey, Math.Max(0, first - tileKey),
            Math.Min(keys, end - tileKey));
    }

    /// <summary>Soft cap, bias and visibility on columns [from, to), multiples of the width.
    /// </summary>
    /// <param name="problem">The call.</param>
    /// <param name="scores">Scaled scores of the tile's columns; becomes −∞ where hidden.</param>
    /// <param name="from">First column.</param>
    /// <param name="to">Column after the last.</param>
    /// <param name="mask">Scratch for as many columns.</param>
    /// <param name="slope">Receives 1 − tanh² of the soft cap; null where not wanted.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public unsafe void Shape<T>(
        in AttentionProblem problem, float* scores, int from, int to, float* mask, float* slope)
        where T : struct, ISimdFloat<T>
    {
        float* bias = problem.Bias;
        if (bias != null) bias += problem.BiasOffset(Batch, Head, Query) + TileKey;
        bool masked = problem.Mask != null;
        if (masked)
        {
            int count = End - from;
            if (count > 0)
            {
                Expand(problem.MaskRow(Batch, Head, Query) + TileKey + from, mask + from, count);
            }
        }

        bool edgesOnly = !problem.ShapesScores;
        T hidden = T.Broadcast(float.NegativeInfinity);
        T first = T.Broadcast(First), end = T.Broadcast(End);
        T lanes = T.Load(
            (float*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(LaneData)));
        for (int j = from; j < to; j += T.Width)
        {
            if (edgesOnly && j >= First && j + T.Width <= End) continue;
            T s = T.Load(scores + j);
            if (problem.SoftCap > 0) s = Cap(s, problem.SoftCap, slope == null ? null : slope + j);
            if (bias != null && j < End)
            {
                // A bias of −∞ hides, whatever the score: it may be NaN.
                T b = j + T.Width <= End ? T.Load(bias + j) : T.LoadPartial(bias + j, End - j);
                s = T.SelectEqual(b, hidden, hidden, s + b);
            }

            if (masked) s = T.SelectEqual(T.Load(mask + j), T.Zero, hidden, s);
            T column = lanes + T.Broadcast(j);
            s = T.SelectLess(column, first, hidden, s);
            s = T.SelectLess(column, end, s, hidden);
            T.Store(s, scores + j);
        }
    }

    /// <summary>c·tanh(s/c), and its derivative by s.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe T Cap<T>(T s, float cap, float* slope) where T : struct, ISimdFloat<T>
    {
        T t = Tanh(s * T.Broadcast(1 / cap));
        if (slope != null)
        {
            T.Store((T.Broadcast(1) - t) * (T.Broadcast(1) + t), slope);
        }

        return t * T.Broadcast(cap);
    }

    /// <summary>
    /// (1 − e)/(1 + e) with e = exp(−2|x|), and below 0.3, where 1 − e would cancel, the series up
    /// to x⁹ (remainder 5e−8 of the value).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Tanh<T>(T x) where T : struct, ISimdFloat<T>
    {
        T magnitude = T.Abs(x);
        T one = T.Broadcast(1);
        T e = SimdMath.ExpNonPositive(magnitude * T.Broadcast(-2));
        T far = T.CopySign((one - e) / (one + e), x);
        T square = x * x;
        T p = T.MultiplyAdd(square, T.Broadcast(62f / 2835), T.Broadcast(-17f / 315));
        p = T.MultiplyAdd(p, square, T.Broadcast(2f / 15));
        p = T.MultiplyAdd(p, square, T.Broadcast(-1f / 3));
        T near = T.MultiplyAdd(p * square, x, x);
        return T.SelectLess(magnitude, T.Broadcast(0.3f), near, far);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void Expand(byte* source, float* target, int count)
    {
        int i = 0;
        for (; i + 16 <= count; i += 16)
        {
            (Vector128<ushort> low, Vector128<ushort> high) =
                Vector128.Widen(Vector128.Load(source + i));
            (Vector128<uint> a, Vector128<uint> b) = Vector128.Widen(low);
            (Vector128<uint> c, Vector128<uint> d) = Vector128.Widen(high);
            Vector128.ConvertToSingle(a.AsInt32()).Store(target + i);
            Vector128.ConvertToSingle(b.AsInt32()).Store(target + i + 4);
            Vector128.ConvertToSingle(c.AsInt32()).Store(target + i + 8);
            Vector128.ConvertToSingle(d.AsInt32()).Store(target + i + 12);
        }

        for (; i < count; i++) target[i] = source[i];
    }
}
