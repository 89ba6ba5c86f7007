using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>The Boolean mask and the block mask of a call.</summary>
internal readonly unsafe struct AttentionMasks
{
    private readonly byte* mask;
    private readonly AttentionMaskLayout layout;
    private readonly byte* blocks;
    private readonly int queryBlock;
    private readonly int keyBlock;
    private readonly long blockHead;
    private readonly long blockColumns;

    public AttentionMasks(in AttentionInputs inputs)
    {
        mask = (byte*)inputs.Mask.Address;
        layout = inputs.MaskLayout;
        blocks = (byte*)inputs.BlockMask.Address;
        if (blocks == null) return;
        queryBlock = inputs.BlockSize.QueryBlock;
        keyBlock = inputs.BlockSize.KeyBlock;
        blockColumns = ((long)inputs.Sizes.KeyLength + keyBlock - 1) / keyBlock;
        long rows = ((long)inputs.Sizes.QueryLength + queryBlock - 1) / queryBlock;
        blockHead = inputs.BlockSize.PerHead ? rows * blockColumns : 0;
    }

    public bool ArePresent => mask != null || blocks != null;

    /// <summary>Queries of a block of the block mask, where that alone hides keys; else 0.
    /// </summary>
    public int QueryBlock => mask == null ? queryBlock : 0;

    /// <summary>What the masks leave of keys [first, end) to queries [query, query + queries) of a
    /// head; where both masks hide some, nothing left may be told as a part.</summary>
    public AttentionSight Sight(
        int batch, int head, int query, int queries, int first, int end)
    {
        AttentionSight sight = AttentionSight.All;
        if (blocks != null) sight = BlockSight(head, query, queries, first, end);
        if (mask == null || sight == AttentionSight.None) return sight;
        bool any = false, all = true;
        byte* row = MaskRow(batch, head, query) + first;
        for (int i = layout.Query == 0 ? queries - 1 : 0; i < queries; i++)
        {
            ReadOnlySpan<byte> keys = new(row, end - first);
            any = any || keys.ContainsAnyExcept((byte)0);
            all = all && !keys.Contains((byte)0);
            if (any && !all) return AttentionSight.Part;
            row += layout.Query;
        }

        return any ? sight : AttentionSight.None;
    }

    private AttentionSight BlockSight(int head, int query, int queries, int first, int end)
    {
        int firstColumn = first / keyBlock, lastColumn = (end - 1) / keyBlock;
        bool any = false, all = true;
        byte* last = BlockRow(head, query + queries - 1);
        for (byte* row = BlockRow(head, query); row <= last; row += blockColumns)
        {
            for (int column = firstColumn; column <= lastColumn; column++)
            {
                any |= row[column] != 0;
                all &= row[column] != 0;
            }
        }

        return all ? AttentionSight.All : any ? AttentionSight.Part : AttentionSight.None;
    }

    /// <summary>Sets −∞ where a key is hidden.</summary>
    /// <param name="row">The query, and the visible columns of its tile.</param>
    /// <param name="scores">Scores of the tile's columns.</param>
    /// <param name="from">First column, a multiple of the width.</param>
    /// <param name="scratch">As many floats as a tile has keys.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Hide<T>(in AttentionRow row, float* scores, int from, float* scratch)
        where T : struct, ISimdFloat<T>
    {
        if (blocks != null) HideBlocks(row, scores);
        int count = row.End - from;
        if (mask == null || count <= 0) return;
        Expand(MaskRow(row.Batch, row.Head, row.Query) + row.TileKey + from, scratch, count);
        T hidden = T.Broadcast(float.NegativeInfinity);
        for (int j = 0; j < count; j += T.Width)
        {
            T s = T.Load(scores + from + j);
            T.Store(T.SelectEqual(T.Load(scratch + j), T.Zero, hidden, s), scores + from + j);
        }
    }

    private void HideBlocks(in AttentionRow row, float* scores)
    {
        byte* visible = BlockRow(row.Head, row.Query);
        for (int column = row.First; column < row.End;)
        {
            int block = (row.TileKey + column) / keyBlock;
            int end = (int)Math.Min(row.End, ((block + 1L) * keyBlock) - row.TileKey);
            if (visible[block] == 0)
            {
                new Span<float>(scores + column, end - column).Fill(float.NegativeInfinity);
            }

            column = end;
        }
    }

    private byte* MaskRow(int batch, int head, int query) => mask +
        (batch * layout.Batch) + (head * layout.Head) + (query * layout.Query);

    private byte* BlockRow(int head, int query) => blocks +
        (head * blockHead) + (query / queryBlock * blockColumns);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Expand(byte* source, float* target, int count)
    {
        int i = 0;
        for (; i + 16 <= count; i += 16)
        {
            (Vector128<ushort> low, Vector128<ushort> high) =
                Vector128.Widen(Vector128.Load(source + i));
            (Vector128<uint> a, Vector128<uint> b) = Vector128.Widen(low);
            (Vector128<uint> c, Vector128<uint> d) = Vector128.Widen(high);
            Vector128.ConvertToSingle(a.AsInt32()).Store(target + i);
            Vector128.ConvertToSingle(b.AsInt32()).Store(target + i + 4);
            Vector128.ConvertToSingle(c.AsInt32()).Store(target + i + 8);
            Vector128.ConvertToSingle(d.AsInt32()).Store(target + i + 12);
        }

        for (; i < count; i++) target[i] = source[i];
    }
}

/// <summary>How much of some keys some queries see.</summary>
internal enum AttentionSight
{
    /// <summary>No query sees any key.</summary>
    None,

    /// <summary>Neither.</summary>
    Part,

    /// <summary>Every query sees every key.</summary>
    All,
}
