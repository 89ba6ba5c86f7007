using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>output = results / total, log_sum_exp = top + ln total, of a tile or, where keys are
/// split, of all splits: Σ e^(Lᵢ − M)·partialᵢ / Σ e^(Lᵢ − M), M = max Lᵢ, the sink among them.
/// </summary>
/// <remarks>
/// <para>Shapes: output [B, Hq, Sq, Dv] with strides or packed, log_sum_exp [B, Hq, Sq] or [Hq,
/// total]; partial outputs [splits, rows, Dv], partial sums [splits, rows], Float32.</para>
/// <para>Work: Store: the group that has the tile, a thread every so many-th chunk of four.
/// MergeSplits: a group a row, a thread every so many-th column.</para>
/// <para>Shared memory: Store reads the tile's; MergeSplits has none. Registers: a few numbers.
/// </para>
/// <para>Bytes: Store: the output once. MergeSplits: every split's row once, splits·Dv·4 for
/// 2·splits·Dv operations, half an operation a byte; the splits' sums twice and once a column, from
/// cache.</para>
/// <para>Numerics: float; 0 and −∞ for a row that sees no key, which leaves the sink out too; one
/// rounding on writing.</para>
/// <para>Source: Milakov, Gimelshein 2018 (online softmax).</para>
/// </remarks>
internal static class AttentionFinish
{
    /// <summary>A tile's results to the output, or, where keys are split, to this split's part.
    /// </summary>
    /// <param name="p">The call.</param>
    /// <param name="s">The sequence.</param>
    /// <param name="unit">The heads that the tile's rows run over.</param>
    /// <param name="firstRow">Of the tile.</param>
    /// <param name="split">Which of the splits.</param>
    /// <param name="rows">Running maxima and totals, of <see cref="OnlineSoftmax"/>.</param>
    /// <param name="results">[rows, Dv + padding], not yet divided.</param>
    public static void Store<T, TStorage>(
        AttentionArgument<T> p, Sequence s, int unit, int firstRow, int split,
        ArrayView<float> rows, ArrayView<Float4> results)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        int pieces = AttentionTile.Padded(p.ValueDimension) / 4;
        int pitch = pieces + (AttentionTile.Padding / 4);
        for (int i = Group.IdxX; i < p.RowTile * pieces; i += Group.DimX)
        {
            int r = i / pieces, piece = i % pieces;
            TileRow row = AttentionTile.Row(p, s, unit, firstRow + r);
            if (row.Exists == 0) continue;
            float top = rows[r], total = rows[p.RowTile + r], scale = 1;
            if (!p.Terms.Sinks.IsAbsent && p.Splits == 1 && top > float.NegativeInfinity)
            {
                float sink = p.Terms.Sinks.Load(row.Head), joint = sink > top ? sink : top;
                scale = FloatMath.Exp(top - joint);
                total = (total * scale) + OnlineSoftmax.Weight(sink, joint);
                top = joint;
            }

            bool blind = top == float.NegativeInfinity;
            scale = blind ? 0 : scale / total;
            long index = p.Places.RowIndex(s, row.Head, row.Query);
            float sum = blind ? float.NegativeInfinity : top + FloatMath.Log(total);
            Float4 result = scale * results[(r * pitch) + piece];
            if (p.Splits > 1)
            {
                long part = (split * p.Rows) + index;
                if (piece == 0) p.PartialSums[part] = sum;
                Rows.Store<float, SingleStorage>(p.PartialOutputs, part * p.ValueDimension,
                    piece * 4, p.ValueDimension, p.ValueDimension % 4 == 0 ? 1 : 0, result);
                continue;
            }

            if (piece == 0 && p.LogSumExp.Length > 0) p.LogSumExp[index] = sum;
            long place = AttentionPlaces.QueryPlace(s, p.OutputStrides, row.Query) +
                (row.Head * p.OutputStrides.Head);
            Rows.Store<T, TStorage>(
                p.Output, place, piece * 4, p.ValueDimension, p.OutputAligned, result);
        }
    }

    /// <summary>Joins the parts of each row: a group for (query, head, sequence).</summary>
    public static void MergeSplits<T, TStorage>(AttentionArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        TStorage storage = default;
        int place = Grid.IdxX, query = place % p.Places.QueryLength;
        place /= p.Places.QueryLength;
        int head = place % p.QueryHeads;
        Sequence s = p.Places.SequenceOf(place / p.QueryHeads);
        if (query >= s.Queries) return;
        long row = p.Places.RowIndex(s, head, query);
        float top = float.NegativeInfinity, total = 0;
        for (int i = 0; i < p.Splits; i++)
        {
            float sum = p.PartialSums[(i * p.Rows) + row];
            top = sum > top ? sum : top;
        }

        bool blind = top == float.NegativeInfinity;
        if (!p.Terms.Sinks.IsAbsent && !blind)
        {
            float sink = p.Terms.Sinks.Load(head);
            top = sink > top ? sink : top;
            total = OnlineSoftmax.Weight(sink, top);
        }

        for (int i = 0; i < p.Splits; i++)
            total += OnlineSoftmax.Weight(p.PartialSums[(i * p.Rows) + row], top);
        long output = AttentionPlaces.QueryPlace(s, p.OutputStrides, query) +
            (head * p.OutputStrides.Head);
        for (int d = Group.IdxX; d < p.ValueDimension; d += Group.DimX)
        {
            float sum = 0;
            for (int i = 0; i < p.Splits; i++)
            {
                long at = (i * p.Rows) + row;
                float weight = OnlineSoftmax.Weight(p.PartialSums[at], top);
                sum += weight * p.PartialOutputs[(at * p.ValueDimension) + d];
            }

            storage.Store(p.Output, output + d, blind ? 0 : sum / total);
        }

        if (Group.IdxX == 0 && p.LogSumExp.Length > 0)
        {
            p.LogSumExp[row] =
                blind ? float.NegativeInfinity : top + FloatMath.Log(total);
        }
    }
}
