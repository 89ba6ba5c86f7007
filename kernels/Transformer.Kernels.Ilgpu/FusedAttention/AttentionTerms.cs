using ILGPU;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Numerics;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>What makes a score of a product of a query and a key: scale, soft cap, score modifier,
/// bias, ALiBi, relative bias, masks; and dropout of weights.</summary>
internal struct AttentionTerms
{
    public ArrayView<byte> Mask, BlockMask;
    public AnyFloats Bias, Alibi, Relative, Sinks;

    /// <summary>Least distance of each bucket that several distances share.</summary>
    public ArrayView<int> Thresholds;

    public ArrayView<long> RandomState;
    public Strides MaskStrides, BiasStrides;
    public int QueryBlock, KeyBlock, BlockRows, BlockColumns, BlocksPerHead;
    public int Buckets, Bidirectional, QueryHeads, HidesKeys;
    public uint DropoutStream;
    public float Scale, SoftCap, DropProbability, Kept;

    /// <summary>c·tanh(s/c), where there is a cap.</summary>
    public readonly float Capped(float score) =>
        SoftCap > 0 ? SoftCap * FloatMath.Tanh(score / SoftCap) : score;

    /// <summary>False where masks or the modifier hide a key that lengths, causal order and window
    /// leave.</summary>
    public readonly bool Shows<TScore>(TScore modifier, Sequence s, int head, int query, int key)
        where TScore : struct, IScoreModifier
    {
        if (Mask.Length > 0)
        {
            long at = (s.Batch * MaskStrides.Batch) + (head * MaskStrides.Head) +
                (query * MaskStrides.Row) + key;
            if (Mask[at] == 0) return false;
        }

        if (BlockMask.Length > 0)
        {
            long line = ((long)(BlocksPerHead != 0 ? head : 0) * BlockRows) + (query / QueryBlock);
            if (BlockMask[(line * BlockColumns) + (key / KeyBlock)] == 0) return false;
        }

        return HidesKeys == 0 || modifier.IsVisible(s.Batch, head, query, key);
    }

    /// <summary>False where the block mask hides every key of a tile from every query of the heads.
    /// </summary>
    /// <param name="firstHead">Query head.</param>
    /// <param name="lastHead">The last one.</param>
    /// <param name="firstQuery">Position of a query.</param>
    /// <param name="lastQuery">The last one.</param>
    /// <param name="firstKey">Position of a key.</param>
    /// <param name="endKey">Behind the last one; keys that do not exist may be among them.</param>
    public readonly bool ShowsTile(
        int firstHead, int lastHead, int firstQuery, int lastQuery, int firstKey, int endKey)
    {
        if (BlockMask.Length == 0) return true;
        if (BlocksPerHead == 0) firstHead = lastHead = 0;
        int lastColumn = (endKey - 1) / KeyBlock;
        if (lastColumn >= BlockColumns) lastColumn = BlockColumns - 1;
        for (int head = firstHead; head <= lastHead; head++)
        {
            for (int row = firstQuery / QueryBlock; row <= lastQuery / QueryBlock; row++)
            {
                long line = (((long)head * BlockRows) + row) * BlockColumns;
                for (int column = firstKey / KeyBlock; column <= lastColumn; column++)
                    if (BlockMask[line + column] != 0) return true;
            }
        }

        return false;
    }

    /// <summary>A capped score of a visible key with the modifier's, bias's and position's terms.
    /// </summary>
    public readonly float Shaped<TScore>(
        TScore modifier, Sequence s, int head, int query, int key, float score)
        where TScore : struct, IScoreModifier
    {
        score = modifier.Apply(score, s.Batch, head, query, key);
        if (!Bias.IsAbsent)
        {
            float bias = Bias.Load((s.Batch * BiasStrides.Batch) + (head * BiasStrides.Head) +
                (query * BiasStrides.Row) + key);
            if (bias == float.NegativeInfinity) return bias; // hides, whatever the score was
            score += bias;
        }

        long distance = key - (query + s.Offset);
        if (!Alibi.IsAbsent) score -= Alibi.Load(head) * (distance < 0 ? -distance : distance);
        if (!Relative.IsAbsent)
            score += Relative.Load(((long)Bucket(distance) * QueryHeads) + head);
        return score;
    }

    /// <summary>What dropout multiplies a weight with.</summary>
    /// <param name="call">What <see cref="DropoutKey"/> gave.</param>
    /// <param name="s">The sequence.</param>
    /// <param name="head">Query head.</param>
    /// <param name="query">Position of the query.</param>
    /// <param name="key">Position of the key.</param>
    public readonly float DropoutFactor(ulong call, Sequence s, int head, int query, int key)
    {
        uint row = (uint)((s.Batch * QueryHeads) + head);
        uint word = Philox.Word(call, 0, row, ((ulong)(uint)query << 34) | (uint)key);
        return Philox.ToUnit(word) < DropProbability ? 0 : Kept;
    }

    /// <summary>The key of the call's dropout words.</summary>
    public readonly ulong DropoutKey()
    {
        if (RandomState.Length == 0) return 0;
        ulong seed = (ulong)RandomState[0], step = (ulong)RandomState[1];
        (uint low, uint high, _, _) = Philox.Block((uint)step, (uint)(step >> 32), DropoutStream,
            0, (uint)seed, (uint)(seed >> 32));
        return low | ((ulong)high << 32);
    }

    /// <summary>The bucket of a key so many positions after the query.</summary>
    public readonly int Bucket(long distance)
    {
        bool after = Bidirectional != 0 && distance > 0;
        long size = after ? distance : distance < 0 ? -distance : 0;
        int first = after ? Buckets : 0, near = Buckets / 2;
        if (size < near) return first + (int)size;
        int low = 0, high = Buckets - near;
        while (high - low > 1)
        {
            int middle = (low + high) / 2;
            if (size >= Thresholds[middle]) low = middle;
            else high = middle;
        }

        return first + near + low;
    }
}

/// <summary>Leaves scores as they are.</summary>
internal readonly struct PlainScore : IDifferentiableScoreModifier
{
    static bool IScoreModifier.HidesKeys => false;

    public float Apply(float score, int batch, int head, int query, int key) => score;

    public bool IsVisible(int batch, int head, int query, int key) => true;

    public float Derivative(float score, int batch, int head, int query, int key) => 1;
}
