using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>One query of a key tile: which row it is and which keys of the tile it sees.
/// </summary>
/// <param name="Batch">Sequence.</param>
/// <param name="Head">Query head.</param>
/// <param name="Query">Position of the query.</param>
/// <param name="TileKey">Key that the tile's first column stands for.</param>
/// <param name="First">First visible column, before the masks.</param>
/// <param name="End">Column after the last visible one.</param>
internal readonly record struct AttentionRow(
    int Batch, int Head, int Query, int TileKey, int First, int End)
{
    private static ReadOnlySpan<float> LaneData =>
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    /// <summary>0, 1, 2, …</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe T Lanes<T>() where T : struct, ISimdFloat<T> =>
        T.Load((float*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(LaneData)));

    /// <summary>The row of a tile of <paramref name="keys"/> keys.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static AttentionRow Of(
        in AttentionProblem problem, int batch, int head, int query, int tileKey, int keys)
    {
        problem.Sequences.VisibleKeys(batch, query, out int first, out int end);
        return new(batch, head, query, tileKey, Math.Max(0, first - tileKey),
            Math.Min(keys, end - tileKey));
    }

    /// <summary>What masks and the score modifier leave of keys [first, end) to queries [query,
    /// query + queries) of a head.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static AttentionSight Sight<TScore>(
        in AttentionProblem problem, TScore score, int batch, int head, int query, int queries,
        int first, int end) where TScore : struct, IScoreModifier
    {
        AttentionSight sight = problem.Masks.ArePresent
            ? problem.Masks.Sight(batch, head, query, queries, first, end) : AttentionSight.All;
        if (!TScore.HidesKeys || sight == AttentionSight.None) return sight;
        for (int i = query; i < query + queries; i++)
        {
            for (int key = first; key < end; key++)
            {
                if (score.IsVisible(batch, head, i, key)) return AttentionSight.Part;
            }
        }

        return AttentionSight.None;
    }

    /// <summary>Soft cap, score modifier, bias, position terms and visibility on columns [from,
    /// to), multiples of the width.</summary>
    /// <param name="problem">The call.</param>
    /// <param name="score">Its score modifier.</param>
    /// <param name="scores">Scaled scores of the tile's columns; becomes −∞ where hidden.</param>
    /// <param name="from">First column.</param>
    /// <param name="to">Column after the last.</param>
    /// <param name="scratch">As many floats as a tile has keys.</param>
    public unsafe void Shape<T, TScore>(
        in AttentionProblem problem, TScore score, float* scores, int from, int to,
        float* scratch) where T : struct, ISimdFloat<T> where TScore : struct, IScoreModifier
    {
        if (problem.SoftCap > 0) Cap<T>(scores, from, to, problem.SoftCap, null);
        if (typeof(TScore) != typeof(NoScoreModifier)) Modify<T, TScore>(score, scores, from, to);
        Finish<T, TScore>(problem, score, scores, from, to, scratch);
    }

    /// <summary>As <see cref="Shape"/>, for the backward pass.</summary>
    /// <param name="problem">The call.</param>
    /// <param name="score">Its score modifier.</param>
    /// <param name="scores">Scaled scores of the tile's columns; becomes −∞ where hidden.</param>
    /// <param name="from">First column.</param>
    /// <param name="to">Column after the last.</param>
    /// <param name="scratch">As many floats as a tile has keys.</param>
    /// <param name="slope">Receives the derivative of the soft cap and the modifier.</param>
    public unsafe void ShapeBackward<T, TScore>(
        in AttentionProblem problem, TScore score, float* scores, int from, int to,
        float* scratch, float* slope)
        where T : struct, ISimdFloat<T> where TScore : struct, IDifferentiableScoreModifier
    {
        if (problem.SoftCap > 0) Cap<T>(scores, from, to, problem.SoftCap, slope);
        if (typeof(TScore) != typeof(NoScoreModifier))
        {
            if (problem.SoftCap == 0) new Span<float>(slope + from, to - from).Fill(1);
            Differentiate(score, scores, from, to, slope);
            Modify<T, TScore>(score, scores, from, to);
        }

        Finish<T, TScore>(problem, score, scores, from, to, scratch);
    }

    /// <summary>c·tanh(s/c) on columns [from, to), and its derivative by s where wanted.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static unsafe void Cap<T>(float* scores, int from, int to, float cap, float* slope)
        where T : struct, ISimdFloat<T>
    {
        for (int j = from; j < to; j += T.Width)
        {
            T t = SimdMath.Tanh(T.Load(scores + j) * T.Broadcast(1 / cap));
            if (slope != null)
            {
                T.Store((T.Broadcast(1) - t) * (T.Broadcast(1) + t), slope + j);
            }

            T.Store(t * T.Broadcast(cap), scores + j);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private unsafe void Modify<T, TScore>(TScore score, float* scores, int from, int to)
        where T : struct, ISimdFloat<T> where TScore : struct, IScoreModifier
    {
        if (TScore.IsVectorised)
        {
            for (int j = from; j < to; j += T.Width)
            {
                T key = Lanes<T>() + T.Broadcast(TileKey + j);
                T s = score.ApplyVector(T.Load(scores + j), Batch, Head, Query, key);
                T.Store(s, scores + j);
            }

            return;
        }

        int end = Math.Min(to, End);
        for (int j = Math.Max(from, First); j < end; j++)
        {
            scores[j] = score.Apply(scores[j], Batch, Head, Query, TileKey + j);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private unsafe void Differentiate<TScore>(
        TScore score, float* scores, int from, int to, float* slope)
        where TScore : struct, IDifferentiableScoreModifier
    {
        int end = Math.Min(to, End);
        for (int j = Math.Max(from, First); j < end; j++)
        {
            slope[j] *= score.Derivative(scores[j], Batch, Head, Query, TileKey + j);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private unsafe void Finish<T, TScore>(
        in AttentionProblem problem, TScore score, float* scores, int from, int to,
        float* scratch) where T : struct, ISimdFloat<T> where TScore : struct, IScoreModifier
    {
        if (problem.Bias.IsPresent) problem.Bias.Add<T>(this, scores, from, scratch);
        if (problem.Terms.ArePresent)
        {
            long distance = TileKey - problem.Sequences.Position(Batch, Query);
            problem.Terms.Add<T>(Head, distance, scores, from, to);
        }

        if (problem.Masks.ArePresent) problem.Masks.Hide<T>(this, scores, from, scratch);
        if (TScore.HidesKeys)
        {
            for (int j = Math.Max(from, First); j < Math.Min(to, End); j++)
            {
                if (!score.IsVisible(Batch, Head, Query, TileKey + j))
                {
                    scores[j] = float.NegativeInfinity;
                }
            }
        }

        Cut<T>(scores, First, End, from, to);
    }

    /// <summary>Scores of columns outside [first, end) become −∞.</summary>
    /// <param name="scores">Scores of a tile's columns.</param>
    /// <param name="first">First visible column.</param>
    /// <param name="end">Column after the last visible one.</param>
    /// <param name="from">First column looked at, a multiple of the width.</param>
    /// <param name="to">Column after the last one looked at, a multiple of the width.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static unsafe void Cut<T>(float* scores, int first, int end, int from, int to)
        where T : struct, ISimdFloat<T>
    {
        T hidden = T.Broadcast(float.NegativeInfinity);
        T firstColumn = T.Broadcast(first), endColumn = T.Broadcast(end);
        for (int j = from; j < to; j += T.Width)
        {
            if (j >= first && j + T.Width <= end) continue;
            T column = Lanes<T>() + T.Broadcast(j);
            T s = T.SelectLess(column, firstColumn, hidden, T.Load(scores + j));
            T.Store(T.SelectLess(column, endColumn, s, hidden), scores + j);
        }
    }
}
