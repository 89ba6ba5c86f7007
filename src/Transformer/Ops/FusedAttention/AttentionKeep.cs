using System.Runtime.CompilerServices;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>Dropout on rows of weights; see <see cref="AttentionDropout"/> for its numbers.
/// </summary>
internal readonly unsafe struct AttentionKeep
{
    private readonly ulong key;
    private readonly float probability;
    private readonly float scale;
    private readonly int heads;

    public AttentionKeep(in AttentionInputs inputs)
    {
        if (inputs.Options.DropoutProbability == 0 || inputs.Sizes.Batch == 0) return;
        key = AttentionDropout.Key(inputs);
        probability = (float)inputs.Options.DropoutProbability;
        scale = (float)(1 / (1 - inputs.Options.DropoutProbability));
        heads = inputs.Sizes.QueryHeads;
        IsPresent = true;
    }

    public bool IsPresent { get; }

    /// <summary>factors[j] = 0 or 1/(1 − p) for columns [from, to), multiples of 4.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Fill<T>(in AttentionRow row, int from, int to, float* factors)
        where T : struct, ISimdFloat<T>
    {
        uint head = (uint)((row.Batch * heads) + row.Head);
        ulong block = ((ulong)row.Query << 32) | (uint)((row.TileKey + from) / 4);
        PhiloxVector.FillUnit(key, 0, head, block, (to - from) / 4, factors + from);
        T limit = T.Broadcast(probability), kept = T.Broadcast(scale);
        for (int j = from; j < to; j += T.Width)
        {
            T.Store(T.SelectLess(T.Load(factors + j), limit, T.Zero, kept), factors + j);
        }
    }

    /// <summary>Drops weights of columns [from, to) of a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Apply<T>(in AttentionRow row, float* weights, int from, int to, float* scratch)
        where T : struct, ISimdFloat<T>
    {
        Fill<T>(row, from, to, scratch);
        for (int j = from; j < to; j += T.Width)
        {
            T.Store(T.Load(weights + j) * T.Load(scratch + j), weights + j);
        }
    }
}
