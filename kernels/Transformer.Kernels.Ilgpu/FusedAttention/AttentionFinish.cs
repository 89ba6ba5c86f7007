using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>Results over their totals to the output, or, where keys are split, to this split's part
/// of it.</summary>
internal static class AttentionFinish
{
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
