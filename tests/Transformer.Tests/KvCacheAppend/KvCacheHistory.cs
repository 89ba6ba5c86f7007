using Transformer.Ops;
using Transformer.Tests.Support;

namespace Transformer.Tests.KvCacheAppend;

/// <summary>A cache beside the rows that were ever appended to it, kept in plain lists.</summary>
internal sealed class KvCacheHistory(KvCache cache, int seed = 1)
{
    private readonly Random random = new(seed);
    private readonly List<float[]>[] keys = Lists(cache.Shape.Batch);
    private readonly List<float[]>[] values = Lists(cache.Shape.Batch);

    public IReadOnlyList<float[]> Keys(int sequence) => keys[sequence];

    public IReadOnlyList<float[]> Values(int sequence) => values[sequence];

    /// <summary>Appends random rows.</summary>
    public void Append(int newLength)
    {
        KvCacheShape s = cache.Shape;
        int keyWidth = s.KeyValueHeads * s.HeadDimension;
        int valueWidth = s.KeyValueHeads * s.ValueDimension;
        float[] key = Next(s.Batch * newLength * keyWidth);
        float[] value = Next(s.Batch * newLength * valueWidth);
        cache.Append<float>(key, value, newLength);
        for (int row = 0; row < s.Batch * newLength; row++)
        {
            keys[row / newLength].Add(key[(row * keyWidth)..((row + 1) * keyWidth)]);
            values[row / newLength].Add(value[(row * valueWidth)..((row + 1) * valueWidth)]);
        }
    }

    public void Truncate(int sequence, int length)
    {
        cache.Truncate(sequence, length);
        keys[sequence].RemoveRange(length, keys[sequence].Count - length);
        values[sequence].RemoveRange(length, values[sequence].Count - length);
    }

    /// <summary>Lets the lists of a sequence begin as those of another.</summary>
    public void Copy(int sequence, KvCacheHistory source, int sourceSequence, int rows)
    {
        keys[sequence].AddRange(source.keys[sourceSequence].Take(rows));
        values[sequence].AddRange(source.values[sourceSequence].Take(rows));
    }

    /// <summary>Requires the cache to hold the very rows of the lists.</summary>
    public void RequireRows()
    {
        for (int b = 0; b < keys.Length; b++)
        {
            Assert.Equal(keys[b].Count, cache.Lengths[b]);
            for (int t = 0; t < keys[b].Count; t++)
            {
                Assert.Equal(keys[b][t], Row(cache.Keys, keys[b][t].Length, b, t));
                Assert.Equal(values[b][t], Row(cache.Values, values[b][t].Length, b, t));
            }
        }
    }

    /// <summary>Requires Attend to give, bit for bit, what attention over the lists gives.
    /// </summary>
    public void RequireAttention(int queryHeads, int queryLength, AttentionOptions options)
    {
        KvCacheShape s = cache.Shape;
        float[] query = Next(s.Batch * queryHeads * queryLength * s.HeadDimension);
        float[] actual = new float[s.Batch * queryHeads * queryLength * s.ValueDimension];
        float[] logSumExp = new float[s.Batch * queryHeads * queryLength];
        cache.Attend<float>(query, queryHeads, queryLength, options, actual, logSumExp);
        for (int b = 0; b < s.Batch; b++)
        {
            // One sequence alone: no padding, no lengths, no cache.
            AttentionSizes one = new(1, queryHeads, s.KeyValueHeads, queryLength, keys[b].Count,
                s.HeadDimension, s.ValueDimension);
            int rows = queryHeads * queryLength;
            float[] output = new float[rows * s.ValueDimension], sums = new float[rows];
            Transformer.Ops.FusedAttention.Forward(
                query.AsSpan(b * rows * s.HeadDimension, rows * s.HeadDimension),
                HeadMajor(keys[b], s.KeyValueHeads, s.HeadDimension),
                HeadMajor(values[b], s.KeyValueHeads, s.ValueDimension), one,
                options with { Causal = CausalAlignment.BottomRight }, output, sums,
                cache.Backend);
            Assert.Equal(output, actual[(b * output.Length)..((b + 1) * output.Length)]);
            Assert.Equal(sums, logSumExp[(b * rows)..((b + 1) * rows)]);
        }
    }

    private float[] Row(Transformer.Tensors.BufferView view, int width, int b, int t)
    {
        long row = cache.Pool is null
            ? ((long)b * cache.Shape.Capacity) + t
            : ((long)cache.Pages(b)[t / cache.PageSize] * cache.PageSize) + (t % cache.PageSize);
        return view.Slice(row * width, width).AsSpan<float>().ToArray();
    }

    private float[] Next(int count) =>
        [.. Numbers.Normal(random.Next(), count).Select(x => (float)x)];

    private static float[] HeadMajor(List<float[]> rows, int heads, int dimension) =>
    [
        .. Enumerable.Range(0, heads).SelectMany(h =>
            rows.SelectMany(row => row.AsSpan(h * dimension, dimension).ToArray())),
    ];

    private static List<float[]>[] Lists(int count) =>
        [.. Enumerable.Range(0, count).Select(_ => new List<float[]>())];
}
