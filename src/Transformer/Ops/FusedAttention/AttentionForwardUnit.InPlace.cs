using System.Runtime.CompilerServices;

namespace Transformer.Ops;

internal unsafe ref partial struct AttentionForwardUnit<T, TScore>
{
    /// <summary>The only block against a tile, keys and values read where they lie.</summary>
    /// <remarks>Keys ask for keys and values for values, both a tile ahead: a row asked for while
    /// the tile's other half is at work had half the time to come.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void AddInPlace(int tile, int tileKeys, int from, int to)
    {
        ref readonly AttentionSpan span = ref spans[0];
        int first = Math.Max(tile, span.First), end = Math.Min(tile + tileKeys, span.End);
        if (first == rangeFirst) Ask(first, end);
        for (int key = first, run; key < end; key += run)
        {
            run = Math.Min(end - key, problem.Sequences.RunFrom(key));
            AttentionDots.Run<T>(queries, span.Rows, problem.Sizes.HeadDimension,
                problem.Key.KeyRows(problem.Sequences, sequence, keyHead, key), run,
                problem.Key.KeyRows(problem.Sequences, sequence, keyHead, Ahead(key, run)),
                scores + (key - tile), KeyTile);
        }

        bool shapes = typeof(TScore) != typeof(NoScoreModifier) || problem.ShapesScores ||
            span.IsWhole == 0;
        if (shapes) Shape(span, tile, tileKeys, scores, from, to);
        AttentionSoftmax.Update<T>(scores, KeyTile, Math.Max(4, span.Rows), from, to, maxima, sums,
            factors);
        if (problem.Dropout.IsPresent) Drop(span, tile, scores, from, to);
        Rescale(span.Rows);
        for (int key = first, run; key < end; key += run)
        {
            run = Math.Min(end - key, problem.Sequences.RunFrom(key));
            AttentionWeightedRows.Add<T>(scores + (key - tile), KeyTile, span.Rows,
                problem.Value.KeyRows(problem.Sequences, sequence, keyHead, key), run,
                problem.Sizes.ValueDimension, shapes || problem.Dropout.IsPresent,
                problem.Value.KeyRows(problem.Sequences, sequence, keyHead, Ahead(key, run)),
                outputs);
        }
    }

    /// <summary>The keys to ask for while <paramref name="run"/> of them are at work: those a tile
    /// ahead; at the end of the range, whose successor another thread may have, themselves.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly int Ahead(int key, int run) =>
        key + KeyTile + run <= rangeEnd ? key + KeyTile : key;

    /// <summary>Asks for the first values, which no tile before has asked for.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Ask(int first, int end)
    {
        for (int key = first, run; key < end; key += run)
        {
            run = Math.Min(end - key, problem.Sequences.RunFrom(key));
            StoredRows rows = problem.Value.KeyRows(problem.Sequences, sequence, keyHead, key);
            for (int row = 0; row < run; row++) rows.Prefetch(row);
        }
    }

    /// <summary>o = diag(factors)·o.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Rescale(int rows)
    {
        for (int row = 0; row < rows; row++)
        {
            T factor = T.Broadcast(factors[row]);
            float* output = outputs + (row * valueWidth);
            for (int v = 0; v < valueWidth; v += T.Width)
            {
                T.Store(T.Load(output + v) * factor, output + v);
            }
        }
    }
}
