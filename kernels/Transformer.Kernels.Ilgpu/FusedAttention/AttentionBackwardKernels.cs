using ILGPU;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>dQ = dR·K, dK = dRᵀ·Q, dV = (P ⊙ M)ᵀ·dO with dR the gradient of q·k, and δ = rowsum(dO
/// ⊙ O), which the others need first.</summary>
/// <remarks>
/// <para>Shapes: query and its gradient [B, Hq, Sq, D], key and its gradient [B, Hkv, Skv, D],
/// value and its gradient [B, Hkv, Skv, Dv], output and its gradient [B, Hq, Sq, Dv], with strides,
/// packed or paged; log_sum_exp and deltas [B, Hq, Sq] or [Hq, total].</para>
/// <para>Work: Deltas: a thread a row. QueryGradient: a group owns RowTile queries of a head and
/// goes over the tiles of KeyTile keys that they see. KeyGradient: a group owns KeyTile keys of a
/// key/value head and goes over the query heads and tiles of queries that see them, in order. A
/// thread takes 4 × 4 products or results at a time.</para>
/// <para>Shared memory: a tile of rows of each side, the results, two tiles of pairs; 44 KB for
/// D = Dv = 64 with tiles of 32 × 32. Registers: 16 sums and 32 factors.</para>
/// <para>Bytes: for a pair of tiles, r rows and k keys, QueryGradient reads r·(D + Dv) +
/// k·(2·D + Dv) elements for 2·r·k·(2·D + Dv) operations, KeyGradient r·(2·D + Dv) + k·(D + Dv) for
/// 4·r·k·(D + Dv): 10 and 13 operations a byte for D = Dv = 64, r = k = 32 in Float32, of which the
/// tile that the group does not own comes from cache. Deltas: 2·Dv elements a row, a half of an
/// operation a byte at most. No Sq × Skv buffer.</para>
/// <para>Numerics: float; sums in the order of heads and tiles, no atomics; weights and gradients
/// of 0 skip NaN and ∞.</para>
/// <para>Source: Dao et al. 2022 (FlashAttention), appendix B.2.</para>
/// </remarks>
internal static class AttentionBackwardKernels
{
    /// <summary>Floats of shared memory.</summary>
    /// <param name="rows">Queries of a tile.</param>
    /// <param name="keys">Keys of a tile.</param>
    /// <param name="headDimension">D.</param>
    /// <param name="valueDimension">Dv.</param>
    public static long SharedFloats(
        int rows, int keys, int headDimension, int valueDimension)
    {
        long head = AttentionTile.Padded(headDimension) + AttentionTile.Padding;
        long value = AttentionTile.Padded(valueDimension) + AttentionTile.Padding;
        long pitch = head > value ? head : value, own = rows > keys ? rows : keys;
        int pairs = rows * keys;
        return ((rows + keys) * pitch) + (own * (head + value)) +
            (2 * (pairs + (own * AttentionTile.Padding))) + (3 * own) + 4;
    }

    public static void Deltas<T, TStorage, TScore>(AttentionBackwardArgument<T, TScore> a)
        where T : unmanaged where TStorage : struct, IStorage<T>
        where TScore : struct, IDifferentiableScoreModifier
    {
        AttentionArgument<T> p = a.Attention;
        long place = ((long)Grid.IdxX * Group.DimX) + Group.IdxX;
        if (place >= (long)p.Batch * p.QueryHeads * p.Places.QueryLength) return;
        int query = (int)(place % p.Places.QueryLength);
        place /= p.Places.QueryLength;
        int head = (int)(place % p.QueryHeads);
        Sequence s = p.Places.SequenceOf((int)(place / p.QueryHeads));
        if (query >= s.Queries) return;
        long row = AttentionPlaces.QueryPlace(s, p.OutputStrides, query) +
            (head * p.OutputStrides.Head);
        float sum = 0;
        for (int d = 0; d < p.ValueDimension; d += 4)
        {
            sum += (Rows.Load<T, TStorage>(
                p.Output, row, d, p.ValueDimension, p.OutputAligned) * Rows.Load<T, TStorage>(
                a.OutputGradient, row, d, p.ValueDimension, a.OutputGradientAligned)).Sum();
        }

        a.Deltas[p.Places.RowIndex(s, head, query)] = sum;
    }

    public static void QueryGradient<T, TStorage, TScore>(AttentionBackwardArgument<T, TScore> a)
        where T : unmanaged where TStorage : struct, IStorage<T>
        where TScore : struct, IDifferentiableScoreModifier
    {
        AttentionArgument<T> p = a.Attention;
        int firstRow = (p.Tiles - 1 - (Grid.IdxX % p.Tiles)) * p.RowTile;
        int head = Grid.IdxX / p.Tiles % p.QueryHeads;
        Sequence s = p.Places.SequenceOf(Grid.IdxX / p.Tiles / p.QueryHeads);
        if (firstRow >= s.Queries) return; // the whole group
        int lastRow = firstRow + p.RowTile < s.Queries ? firstRow + p.RowTile : s.Queries;
        int keyHead = head / (p.QueryHeads / p.KeyHeads);
        GradientTiles t = GradientTiles.Of(p, p.RowTile, p.KeyTile);
        t.Start(p.RowTile);
        ulong dropout = p.Terms.DropProbability > 0 ? p.Terms.DropoutKey() : 0;
        int low = p.Places.FirstKey(s, firstRow), high = p.Places.EndKey(s, lastRow - 1);
        for (int first = low / p.KeyTile * p.KeyTile; first < high; first += p.KeyTile)
        {
            if (!p.Terms.ShowsTile(
                head, head, firstRow, lastRow - 1, first, first + p.KeyTile)) continue;
            Group.Barrier(); // the last tile has been used
            AttentionTile.LoadQueries<T, TStorage>(p, s, head, firstRow, p.Query, p.QueryStrides,
                p.HeadDimension, p.QueryAligned, t.Queries);
            AttentionTile.LoadKeys<T, TStorage>(p, s, keyHead, first, p.Key, p.KeyStrides,
                p.HeadDimension, p.KeyAligned, t.Keys);
            Group.Barrier();
            AttentionGradient.Multiply(
                p.RowTile, p.KeyTile, p.HeadDimension, t.Queries, t.Keys, t.Weights);
            Group.Barrier();
            AttentionTile.LoadQueries<T, TStorage>(p, s, head, firstRow, a.OutputGradient,
                p.OutputStrides, p.ValueDimension, a.OutputGradientAligned, t.Queries);
            AttentionTile.LoadKeys<T, TStorage>(p, s, keyHead, first, p.Value, p.ValueStrides,
                p.ValueDimension, p.ValueAligned, t.Keys);
            t.Clear();
            Group.Barrier();
            AttentionGradient.Multiply(
                p.RowTile, p.KeyTile, p.ValueDimension, t.Queries, t.Keys, t.Gradients);
            Group.Barrier();
            Shape(a, s, head, firstRow, first, dropout, t, 1, p.KeyTile + AttentionTile.Padding);
            bool bad = AttentionTile.LoadKeys<T, TStorage>(p, s, keyHead, first, p.Key,
                p.KeyStrides, p.HeadDimension, p.KeyAligned, t.Keys);
            t.Note(bad);
            Group.Barrier();
            t.Add(p.RowTile, p.KeyTile, p.HeadDimension, t.Gradients, t.Keys, t.First);
        }

        Group.Barrier();
        AttentionTile.StoreQueries<T, TStorage>(p, s, head, firstRow, a.QueryGradient,
            p.QueryStrides, p.HeadDimension, a.QueryGradientAligned, t.First);
    }

    public static void KeyGradient<T, TStorage, TScore>(AttentionBackwardArgument<T, TScore> a)
        where T : unmanaged where TStorage : struct, IStorage<T>
        where TScore : struct, IDifferentiableScoreModifier
    {
        AttentionArgument<T> p = a.Attention;
        int tiles = (p.Places.KeyLength + p.KeyTile - 1) / p.KeyTile;
        int first = Grid.IdxX % tiles * p.KeyTile, keyHead = Grid.IdxX / tiles % p.KeyHeads;
        Sequence s = p.Places.SequenceOf(Grid.IdxX / tiles / p.KeyHeads);
        if (first >= s.Stored) return; // the whole group
        GradientTiles t = GradientTiles.Of(p, p.KeyTile, p.RowTile);
        t.Start(p.KeyTile);
        ulong dropout = p.Terms.DropProbability > 0 ? p.Terms.DropoutKey() : 0;
        int heads = p.QueryHeads / p.KeyHeads;
        for (int head = keyHead * heads; head < (keyHead + 1) * heads; head++)
        {
            for (int row = 0; row < s.Queries; row += p.RowTile)
            {
                int last = (row + p.RowTile < s.Queries ? row + p.RowTile : s.Queries) - 1;
                if (p.Places.EndKey(s, last) <= first) continue;
                if (p.Places.FirstKey(s, row) >= first + p.KeyTile) continue;
                if (!p.Terms.ShowsTile(head, head, row, last, first, first + p.KeyTile)) continue;
                Group.Barrier(); // the last tile has been used
                AttentionTile.LoadQueries<T, TStorage>(p, s, head, row, p.Query, p.QueryStrides,
                    p.HeadDimension, p.QueryAligned, t.Queries);
                AttentionTile.LoadKeys<T, TStorage>(p, s, keyHead, first, p.Key, p.KeyStrides,
                    p.HeadDimension, p.KeyAligned, t.Keys);
                Group.Barrier();
                AttentionGradient.Multiply(
                    p.KeyTile, p.RowTile, p.HeadDimension, t.Keys, t.Queries, t.Weights);
                Group.Barrier();
                bool bad = AttentionTile.LoadQueries<T, TStorage>(p, s, head, row,
                    a.OutputGradient, p.OutputStrides, p.ValueDimension, a.OutputGradientAligned,
                    t.Queries);
                AttentionTile.LoadKeys<T, TStorage>(p, s, keyHead, first, p.Value,
                    p.ValueStrides, p.ValueDimension, p.ValueAligned, t.Keys);
                t.Clear();
                Group.Barrier();
                AttentionGradient.Multiply(
                    p.KeyTile, p.RowTile, p.ValueDimension, t.Keys, t.Queries, t.Gradients);
                Group.Barrier();
                Shape(a, s, head, row, first, dropout, t, p.RowTile + AttentionTile.Padding, 1);
                t.Note(bad);
                Group.Barrier();
                t.Add(p.KeyTile, p.RowTile, p.ValueDimension, t.Weights, t.Queries, t.Second);
                Group.Barrier();
                bad = AttentionTile.LoadQueries<T, TStorage>(p, s, head, row, p.Query,
                    p.QueryStrides, p.HeadDimension, p.QueryAligned, t.Queries);
                t.Note(bad);
                Group.Barrier();
                t.Add(p.KeyTile, p.RowTile, p.HeadDimension, t.Gradients, t.Queries, t.First);
            }
        }

        Group.Barrier();
        AttentionTile.StoreKeys<T, TStorage>(p, s, keyHead, first, a.KeyGradient, p.KeyStrides,
            p.HeadDimension, a.KeyGradientAligned, t.First);
        AttentionTile.StoreKeys<T, TStorage>(p, s, keyHead, first, a.ValueGradient,
            p.ValueStrides, p.ValueDimension, a.ValueGradientAligned, t.Second);
    }

    // Products become weights and gradients; pair (query, key) lies at query·queryStep +
    // key·keyStep.
    private static void Shape<T, TScore>(
        AttentionBackwardArgument<T, TScore> a, Sequence s, int head, int firstRow, int firstKey,
        ulong dropout, GradientTiles t, int keyStep, int queryStep)
        where T : unmanaged where TScore : struct, IDifferentiableScoreModifier
    {
        AttentionArgument<T> p = a.Attention;
        for (int i = Group.IdxX; i < p.RowTile * p.KeyTile; i += Group.DimX)
        {
            int r = keyStep == 1 ? i / p.KeyTile : i % p.RowTile;
            int k = keyStep == 1 ? i % p.KeyTile : i / p.RowTile;
            int at = (r * queryStep) + (k * keyStep);
            TileRow row = AttentionTile.Row(p, s, head, firstRow + r);
            WeightAndGradient pair = AttentionGradient.Of(
                a, s, row, firstKey + k, t.Weights[at], t.Gradients[at], dropout, 1);
            t.Weights[at] = pair.Weight;
            t.Gradients[at] = pair.Gradient;
        }
    }
}
