using System.Runtime.CompilerServices;

namespace Transformer.Ops;

internal unsafe ref partial struct AttentionForwardUnit<T, TScore>
{
    /// <summary>The only block against a tile, keys and values read where they lie.</summary>
    private readonly void AddInPlace(int tile, int tileKeys, int from, int to)
    {
        ref readonly AttentionSpan span = ref spans[0];
        int first = Math.Max(tile, span.First), end = Math.Min(tile + tileKeys, span.End);
        int last = problem.Sequences.StoredKeys(sequence) - 1;
        for (int key = first, run; key < end; key += run)
        {
            run = Math.Min(end - key, problem.Sequences.RunFrom(key));
            AttentionDots.Run<T>(queries, span.Rows, problem.Sizes.HeadDimension,
                problem.Key.KeyRows(problem.Sequences, sequence, keyHead, key), run,
                problem.Value.KeyRows(problem.Sequences, sequence, keyHead, key),
                scores + (key - tile), KeyTile);
        }

        bool shapes = typeof(TScore) != typeof(NoScoreModifier) || problem.ShapesScores ||
            !span.AllSee(tile, tileKeys, from, to);
        if (shapes) Shape(span, tile, tileKeys, scores, from, to);
        AttentionSoftmax.Update<T>(scores, KeyTile, Rows, from, to, maxima, sums, factors);
        if (problem.Dropout.IsPresent) Drop(span, tile, scores, from, to);
        Rescale(span.Rows);
        for (int key = first, run; key < end; key += run)
        {
            run = Math.Min(end - key, problem.Sequences.RunFrom(key));
            int next = Math.Min(last, key + KeyTile);
            AttentionWeightedRows.Add<T>(scores + (key - tile), KeyTile, span.Rows,
                problem.Value.KeyRows(problem.Sequences, sequence, keyHead, key), run,
                problem.Sizes.ValueDimension, shapes || problem.Dropout.IsPresent,
                problem.Key.KeyRows(problem.Sequences, sequence, keyHead, next), outputs);
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
