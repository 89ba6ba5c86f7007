using System.Runtime.CompilerServices;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// What a head adds to scores by distance alone, ALiBi and relative bias, and its sink.
/// </summary>
/// <remarks>
/// The relative bias of a row is one run of a table of all distances, read as vectors: entry
/// d + Reach is the bias of distance d; distances beyond MaximumDistance share a bucket, so a run
/// that starts farther out is moved in.
/// </remarks>
internal readonly unsafe struct AttentionTerms
{
    private const int Margin = AttentionTile.Keys;

    private readonly float* slopes;
    private readonly float* sinks;
    private readonly float* relative;
    private readonly int maximum;

    /// <summary>Lays the terms out in scratch.</summary>
    public AttentionTerms(in AttentionInputs inputs, HostBlock scratch)
    {
        int heads = inputs.Sizes.QueryHeads;
        ScratchCarver carver = new(scratch);
        slopes = Copy(inputs.AlibiSlopes, heads, ref carver);
        sinks = Copy(inputs.Sinks, heads, ref carver);
        if (inputs.Options.RelativeBuckets is not { } buckets) return;
        maximum = buckets.MaximumDistance;
        relative = carver.Take((long)heads * Stride);
        float* table = carver.Take((long)heads * buckets.Count);
        FloatStorage.Widen(inputs.RelativeBias.DType, (void*)inputs.RelativeBias.Address, table,
            checked(heads * buckets.Count));
        for (int at = 0; at < Stride; at++)
        {
            float* row = table + ((long)buckets.Bucket(at - Reach) * heads);
            for (int h = 0; h < heads; h++) relative[((long)h * Stride) + at] = row[h];
        }
    }

    /// <summary>True when part of a row's weight may lie on no key.</summary>
    public bool HasSinks => sinks != null;

    /// <summary>Bytes of scratch that a call's terms take.</summary>
    public static long Bytes(in AttentionInputs inputs)
    {
        int heads = inputs.Sizes.QueryHeads;
        long bytes = ScratchCarver.Bytes(inputs.AlibiSlopes.IsPresent ? heads : 0) +
            ScratchCarver.Bytes(inputs.Sinks.IsPresent ? heads : 0);
        if (inputs.Options.RelativeBuckets is not { } buckets) return bytes;
        return bytes + ScratchCarver.Bytes((long)heads * StrideOf(buckets.MaximumDistance)) +
            ScratchCarver.Bytes((long)heads * buckets.Count);
    }

    public bool ArePresent => slopes != null || relative != null;

    /// <summary>Entries of one head's table of distances.</summary>
    public int Stride => StrideOf(maximum);

    /// <summary>Index of distance 0 in a head's table of distances.</summary>
    public int Reach => maximum + Margin;

    /// <summary>The head's sink; −∞ where there is none.</summary>
    public float Sink(int head) => sinks == null ? float.NegativeInfinity : sinks[head];

    /// <summary>Index, in a head's table of distances, of a tile's first column.</summary>
    /// <param name="distance">Of that column: its key − the query's position.</param>
    public int Start(long distance) =>
        (int)Math.Clamp(distance, -Reach, maximum) + Reach;

    /// <summary>Adds the terms to columns [from, to), multiples of the width.</summary>
    /// <param name="head">Query head.</param>
    /// <param name="distance">Of column 0: its key − the query's position.</param>
    /// <param name="scores">Scores of the tile's columns.</param>
    /// <param name="from">First column.</param>
    /// <param name="to">Column after the last.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Add<T>(int head, long distance, float* scores, int from, int to)
        where T : struct, ISimdFloat<T>
    {
        if (slopes != null)
        {
            T slope = T.Broadcast(-slopes[head]);
            T start = AttentionRow.Lanes<T>();
            for (int j = from; j < to; j += T.Width)
            {
                T away = T.Abs(start + T.Broadcast(distance + j));
                T.Store(T.MultiplyAdd(slope, away, T.Load(scores + j)), scores + j);
            }
        }

        if (relative == null) return;
        float* bias = relative + ((long)head * Stride) + Start(distance);
        for (int j = from; j < to; j += T.Width)
        {
            T.Store(T.Load(scores + j) + T.Load(bias + j), scores + j);
        }
    }

    private static int StrideOf(int maximum) => (2 * (maximum + Margin)) + 1;

    private static float* Copy(
        BufferView view, int heads, ref ScratchCarver carver)
    {
        if (view.IsAbsent) return null;
        float* copy = carver.Take(heads);
        FloatStorage.Widen(view.DType, (void*)view.Address, copy, heads);
        return copy;
    }
}
