using ILGPU;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>A forward call and its score modifier.</summary>
internal struct AttentionForwardArgument<T, TScore>
    where T : unmanaged where TScore : struct, IScoreModifier
{
    public AttentionArgument<T> Attention;
    public TScore Score;
}

/// <summary>output = dropout(softmax(scores))·V by online softmax; log_sum_exp = log Σ e^score, the
/// sink included; 0 and −∞ for a row that sees no key.</summary>
/// <remarks>
/// <para>Shapes: query [B, Hq, Sq, D], key [B, Hkv, Skv, D], value [B, Hkv, Skv, Dv], output [B,
/// Hq, Sq, Dv], with strides, packed or paged; log_sum_exp [B, Hq, Sq] or [Hq, total].</para>
/// <para>Work: a group owns RowTile rows of the query heads of a unit and goes over tiles of
/// KeyTile keys that the rows may see, Splits groups sharing them. Threads take 4 × 4 scores, then
/// a row each for the softmax, then 4 × 4 results. Later queries, which see more keys under causal
/// order, begin first.</para>
/// <para>Shared memory: queries, results, one tile of keys or values, scores, three numbers a row.
/// Registers: 16 sums and 32 factors.</para>
/// <para>Bytes: queries once, keys and values once for each RowTile rows; 64 products and sums for
/// 128 bytes of shared memory a thread.</para>
/// <para>Numerics: float; the running maximum subtracted; hidden scores are selected away; where
/// values hold NaN or ∞, weights of 0 skip them.</para>
/// <para>Source: Milakov, Gimelshein 2018 (online softmax); Dao 2023 (FlashAttention-2), section 3.
/// </para>
/// </remarks>
internal static class AttentionForwardKernel
{
    /// <summary>Floats of shared memory.</summary>
    public static long SharedFloats(
        int rows, int keys, int headDimension, int valueDimension)
    {
        long head = AttentionTile.Padded(headDimension) + AttentionTile.Padding;
        long value = AttentionTile.Padded(valueDimension) + AttentionTile.Padding;
        return (rows * (head + value)) + (keys * (head > value ? head : value)) +
            (rows * (keys + AttentionTile.Padding)) + (4 * rows) + 4;
    }

    public static void GroupPerTile<T, TStorage, TScore>(AttentionForwardArgument<T, TScore> a)
        where T : unmanaged where TStorage : struct, IStorage<T>
        where TScore : struct, IScoreModifier
    {
        AttentionArgument<T> p = a.Attention;
        int place = Grid.IdxX;
        int tile = p.Tiles - 1 - (place % p.Tiles);
        place /= p.Tiles;
        int split = place % p.Splits;
        place /= p.Splits;
        int unit = place % p.Units;
        Sequence s = p.Places.SequenceOf(place / p.Units);
        int firstRow = tile * p.RowTile, lastRow = p.HeadsPerUnit * s.Queries;
        if (firstRow >= lastRow) return; // the whole group
        lastRow = (firstRow + p.RowTile < lastRow ? firstRow + p.RowTile : lastRow) - 1;
        bool oneHead = firstRow / s.Queries == lastRow / s.Queries;
        int firstQuery = oneHead ? firstRow % s.Queries : 0;
        int lastQuery = oneHead ? lastRow % s.Queries : s.Queries - 1;
        int keyHead = unit * p.HeadsPerUnit / (p.QueryHeads / p.KeyHeads);

        ArrayView<Float4> shared = SharedMemory.GetDynamic<Float4>();
        int head = (AttentionTile.Padded(p.HeadDimension) + AttentionTile.Padding) / 4;
        int value = (AttentionTile.Padded(p.ValueDimension) + AttentionTile.Padding) / 4;
        int scorePitch = p.KeyTile + AttentionTile.Padding;
        int keySpace = p.KeyTile * (head > value ? head : value);
        int at = p.RowTile * head;
        ArrayView<Float4> queries = shared.SubView(0, at);
        ArrayView<Float4> results = shared.SubView(at, p.RowTile * value);
        at += p.RowTile * value;
        ArrayView<Float4> keys = shared.SubView(at, keySpace);
        at += keySpace;
        ArrayView<Float4> scores = shared.SubView(at, p.RowTile * scorePitch / 4);
        at += p.RowTile * scorePitch / 4;
        ArrayView<float> rows = shared.SubView(at, p.RowTile + 1).Cast<float>();

        AttentionTile.LoadQueries<T, TStorage>(p, s, unit, firstRow, p.Query, p.QueryStrides,
            p.HeadDimension, p.QueryAligned, queries);
        for (int i = Group.IdxX; i < p.RowTile * value; i += Group.DimX) results[i] = default;
        OnlineSoftmax.Start(rows, p.RowTile);

        ulong dropout = p.Terms.DropProbability > 0 ? p.Terms.DropoutKey() : 0;
        int low = p.Places.FirstKey(s, firstQuery), high = p.Places.EndKey(s, lastQuery);
        int tiles = (high + p.KeyTile - 1) / p.KeyTile, each = (tiles + p.Splits - 1) / p.Splits;
        int begin = split * each, end = begin + each < tiles ? begin + each : tiles;
        if (low / p.KeyTile > begin) begin = low / p.KeyTile;
        for (int t = begin; t < end; t++)
        {
            int first = t * p.KeyTile;
            if (!p.Terms.ShowsTile(unit * p.HeadsPerUnit, ((unit + 1) * p.HeadsPerUnit) - 1,
                firstQuery, lastQuery, first, first + p.KeyTile)) continue; // the whole group
            Group.Barrier(); // the last tile has been used
            AttentionTile.LoadKeys<T, TStorage>(p, s, keyHead, first, p.Key, p.KeyStrides,
                p.HeadDimension, p.KeyAligned, keys);
            if (Group.IdxX == 0) rows[4 * p.RowTile] = 0;
            Group.Barrier();
            Multiply(a, s, unit, firstRow, first, queries, keys, scores.Cast<float>());
            Group.Barrier();
            bool bad = AttentionTile.LoadKeys<T, TStorage>(p, s, keyHead, first, p.Value,
                p.ValueStrides, p.ValueDimension, p.ValueAligned, keys);
            if (bad) rows[4 * p.RowTile] = 1;
            OnlineSoftmax.Add(p, s, unit, firstRow, first, dropout, scores, rows);
            Group.Barrier();
            if (rows[4 * p.RowTile] != 0)
                WeightedSum.AddChecked(p.RowTile, p.KeyTile, value, scores, keys, results, rows);
            else
                WeightedSum.Add(p.RowTile, p.KeyTile, value, scores, keys, results, rows);
        }

        Group.Barrier();
        AttentionFinish.Store<T, TStorage>(p, s, unit, firstRow, split, rows, results);
    }

    // Scores of the tile with all terms; −∞ where hidden. A thread takes rows r, r + RowTile / 4, …
    // and keys likewise, so that neighbours read neighbouring rows of keys.
    private static void Multiply<T, TScore>(
        AttentionForwardArgument<T, TScore> a, Sequence s, int unit, int firstRow, int firstKey,
        ArrayView<Float4> queries, ArrayView<Float4> keys, ArrayView<float> scores)
        where T : unmanaged where TScore : struct, IScoreModifier
    {
        AttentionArgument<T> p = a.Attention;
        int stepR = p.RowTile / 4, stepK = p.KeyTile / 4;
        int pieces = AttentionTile.Padded(p.HeadDimension) / 4;
        int pitch = pieces + (AttentionTile.Padding / 4);
        int scorePitch = p.KeyTile + AttentionTile.Padding;
        for (int item = Group.IdxX; item < stepR * stepK; item += Group.DimX)
        {
            int r = item / stepK, k = item % stepK;
            Float4 c0 = default, c1 = default, c2 = default, c3 = default;
            int q0 = r * pitch, q1 = q0 + (stepR * pitch), q2 = q1 + (stepR * pitch);
            int q3 = q2 + (stepR * pitch);
            int k0 = k * pitch, k1 = k0 + (stepK * pitch), k2 = k1 + (stepK * pitch);
            int k3 = k2 + (stepK * pitch);
            for (int d = 0; d < pieces; d++)
            {
                Float4 x0 = keys[k0 + d], x1 = keys[k1 + d], x2 = keys[k2 + d], x3 = keys[k3 + d];
                c0 += Dots(queries[q0 + d], x0, x1, x2, x3);
                c1 += Dots(queries[q1 + d], x0, x1, x2, x3);
                c2 += Dots(queries[q2 + d], x0, x1, x2, x3);
                c3 += Dots(queries[q3 + d], x0, x1, x2, x3);
            }

            Put(a, s, unit, firstRow, r, firstKey, k, c0, scores, r * scorePitch);
            r += stepR;
            Put(a, s, unit, firstRow, r, firstKey, k, c1, scores, r * scorePitch);
            r += stepR;
            Put(a, s, unit, firstRow, r, firstKey, k, c2, scores, r * scorePitch);
            r += stepR;
            Put(a, s, unit, firstRow, r, firstKey, k, c3, scores, r * scorePitch);
        }
    }

    private static Float4 Dots(Float4 q, Float4 x0, Float4 x1, Float4 x2, Float4 x3) =>
        new((q * x0).Sum(), (q * x1).Sum(), (q * x2).Sum(), (q * x3).Sum());

    private static void Put<T, TScore>(
        AttentionForwardArgument<T, TScore> a, Sequence s, int unit, int firstRow, int r,
        int firstKey, int k, Float4 products, ArrayView<float> scores, int at)
        where T : unmanaged where TScore : struct, IScoreModifier
    {
        int step = a.Attention.KeyTile / 4;
        TileRow row = AttentionTile.Row(a.Attention, s, unit, firstRow + r);
        int first = 0, end = 0;
        if (row.Exists != 0)
        {
            first = a.Attention.Places.FirstKey(s, row.Query);
            end = a.Attention.Places.EndKey(s, row.Query);
        }

        scores[at + k] = Score(a, s, row, first, end, firstKey + k, products.X);
        k += step;
        scores[at + k] = Score(a, s, row, first, end, firstKey + k, products.Y);
        k += step;
        scores[at + k] = Score(a, s, row, first, end, firstKey + k, products.Z);
        k += step;
        scores[at + k] = Score(a, s, row, first, end, firstKey + k, products.W);
    }

    private static float Score<T, TScore>(
        AttentionForwardArgument<T, TScore> a, Sequence s, TileRow row, int first, int end,
        int key, float product)
        where T : unmanaged where TScore : struct, IScoreModifier
    {
        if (key < first || key >= end) return float.NegativeInfinity;
        AttentionTerms terms = a.Attention.Terms;
        if (!terms.Shows(a.Score, s, row.Head, row.Query, key)) return float.NegativeInfinity;
        float score = terms.Capped(product * terms.Scale);
        return terms.Shaped(a.Score, s, row.Head, row.Query, key, score);
    }
}
