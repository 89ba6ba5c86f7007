using ILGPU;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>Gradients that are summed over pairs: bias += dS over what it is broadcast to, relative
/// table += dS over a bucket's distances, sink −= e^(sink − L)·δ.</summary>
/// <remarks>
/// <para>Shapes: bias gradient as the bias; relative gradient [buckets, Hq]; sink gradient [Hq];
/// deltas as AttentionBackwardKernels.</para>
/// <para>Work: ThreadPerBias: a thread for an element of the bias computes the products of all
/// pairs that it is added to; GroupPerBucket: a group a bucket and head, a thread for every so
/// many-th query; GroupPerSink: a group a head. Shared memory: a float a warp where a group
/// sums.</para>
/// <para>Bytes: queries, keys and values for each pair, from cache: for biases that are learnt, not
/// for speed. Numerics: float, sums in the order of sequences, heads and queries.</para>
/// </remarks>
internal static class AttentionSums
{
    public static void ThreadPerBias<T, TStorage, TScore>(AttentionBackwardArgument<T, TScore> a)
        where T : unmanaged where TStorage : struct, IStorage<T>
        where TScore : struct, IDifferentiableScoreModifier
    {
        AttentionArgument<T> p = a.Attention;
        long place = ((long)Grid.IdxX * Group.DimX) + Group.IdxX;
        int key = (int)(place % a.BiasKeys);
        place /= a.BiasKeys;
        int biasQuery = (int)(place % a.BiasQueries);
        place /= a.BiasQueries;
        int biasHead = (int)(place % a.BiasHeads);
        place /= a.BiasHeads;
        if (place >= a.BiasBatches) return;
        int biasBatch = (int)place;
        ulong dropout = p.Terms.DropProbability > 0 ? p.Terms.DropoutKey() : 0;
        float sum = 0;
        for (int batch = biasBatch; batch < p.Batch; batch += a.BiasBatches)
        {
            Sequence s = p.Places.SequenceOf(batch);
            if (key >= s.Stored) continue;
            for (int head = biasHead; head < p.QueryHeads; head += a.BiasHeads)
            {
                for (int query = biasQuery; query < s.Queries; query += a.BiasQueries)
                    sum += Gradient<T, TStorage, TScore>(a, s, head, query, key, dropout);
            }
        }

        long at = (biasBatch * p.Terms.BiasStrides.Batch) + (biasHead * p.Terms.BiasStrides.Head) +
            (biasQuery * p.Terms.BiasStrides.Row) + key;
        a.BiasGradient.Store(at, a.BiasGradient.Load(at) + sum);
    }

    public static void GroupPerBucket<T, TStorage, TScore>(AttentionBackwardArgument<T, TScore> a)
        where T : unmanaged where TStorage : struct, IStorage<T>
        where TScore : struct, IDifferentiableScoreModifier
    {
        ArrayView<float> shared = SharedMemory.GetDynamic<float>();
        AttentionArgument<T> p = a.Attention;
        int head = Grid.IdxX % p.QueryHeads, bucket = Grid.IdxX / p.QueryHeads;
        ulong dropout = p.Terms.DropProbability > 0 ? p.Terms.DropoutKey() : 0;
        float sum = 0;
        for (int batch = 0; batch < p.Batch; batch++)
        {
            Sequence s = p.Places.SequenceOf(batch);
            for (int query = Group.IdxX; query < s.Queries; query += Group.DimX)
            {
                int end = p.Places.EndKey(s, query);
                for (int key = p.Places.FirstKey(s, query); key < end; key++)
                {
                    if (p.Terms.Bucket(key - (query + s.Offset)) == bucket)
                        sum += Gradient<T, TStorage, TScore>(a, s, head, query, key, dropout);
                }
            }
        }

        sum = GroupSum.One(sum, shared);
        if (Group.IdxX != 0) return;
        a.RelativeGradient.Store(Grid.IdxX, a.RelativeGradient.Load(Grid.IdxX) + sum);
    }

    public static void GroupPerSink<T, TScore>(AttentionBackwardArgument<T, TScore> a)
        where T : unmanaged where TScore : struct, IDifferentiableScoreModifier
    {
        ArrayView<float> shared = SharedMemory.GetDynamic<float>();
        AttentionArgument<T> p = a.Attention;
        int head = Grid.IdxX;
        float sink = p.Terms.Sinks.Load(head), sum = 0;
        for (int batch = 0; batch < p.Batch; batch++)
        {
            Sequence s = p.Places.SequenceOf(batch);
            for (int query = Group.IdxX; query < s.Queries; query += Group.DimX)
            {
                long row = p.Places.RowIndex(s, head, query);
                float log = p.LogSumExp[row];
                if (log > float.NegativeInfinity)
                    sum -= OnlineSoftmax.Weight(sink, log) * a.Deltas[row];
            }
        }

        sum = GroupSum.One(sum, shared);
        if (Group.IdxX == 0) a.SinkGradient.Store(head, a.SinkGradient.Load(head) + sum);
    }

    private static float Gradient<T, TStorage, TScore>(
        AttentionBackwardArgument<T, TScore> a, Sequence s, int head, int query, int key,
        ulong dropout)
        where T : unmanaged where TStorage : struct, IStorage<T>
        where TScore : struct, IDifferentiableScoreModifier
    {
        AttentionArgument<T> p = a.Attention;
        int keyHead = head / (p.QueryHeads / p.KeyHeads);
        TileRow row = default;
        row.Exists = 1;
        row.Head = head;
        row.Query = query;
        float product = Dot<T, TStorage>(
            p.Query, AttentionPlaces.QueryPlace(s, p.QueryStrides, query) +
                (head * p.QueryStrides.Head), p.QueryAligned,
            p.Key, p.Places.KeyPlace(s, p.KeyStrides, key) + (keyHead * p.KeyStrides.Head),
            p.KeyAligned, p.HeadDimension);
        float incoming = Dot<T, TStorage>(
            a.OutputGradient, AttentionPlaces.QueryPlace(s, p.OutputStrides, query) +
                (head * p.OutputStrides.Head), a.OutputGradientAligned,
            p.Value, p.Places.KeyPlace(s, p.ValueStrides, key) + (keyHead * p.ValueStrides.Head),
            p.ValueAligned, p.ValueDimension);
        return AttentionGradient.Of(a, s, row, key, product, incoming, dropout, 0).Gradient;
    }

    private static float Dot<T, TStorage>(
        ArrayView<T> a, long aRow, int aAligned, ArrayView<T> b, long bRow, int bAligned,
        int width) where T : unmanaged where TStorage : struct, IStorage<T>
    {
        float sum = 0;
        for (int d = 0; d < width; d += 4)
        {
            sum += (Rows.Load<T, TStorage>(a, aRow, d, width, aAligned) *
                Rows.Load<T, TStorage>(b, bRow, d, width, bAligned)).Sum();
        }

        return sum;
    }
}
