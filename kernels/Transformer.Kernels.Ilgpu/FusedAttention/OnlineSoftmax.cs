using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>The softmax of a tile's rows over keys that come tile by tile. The numbers of a row lie
/// in shared memory: maximum, total, and by what its results so far shrink.</summary>
internal static class OnlineSoftmax
{
    public static void Start(ArrayView<float> rows, int count)
    {
        for (int r = Group.IdxX; r < count; r += Group.DimX)
        {
            rows[r] = float.NegativeInfinity;
            rows[count + r] = 0;
            rows[(2 * count) + r] = 0;
        }
    }

    /// <summary>Scores become weights under the new maximum; a thread for each row.</summary>
    public static void Add<T>(
        AttentionArgument<T> p, Sequence s, int unit, int firstRow, int firstKey, ulong dropout,
        ArrayView<Float4> scores, ArrayView<float> rows) where T : unmanaged
    {
        int pitch = (p.KeyTile + AttentionTile.Padding) / 4, pieces = p.KeyTile / 4;
        for (int r = Group.IdxX; r < p.RowTile; r += Group.DimX)
        {
            float before = rows[r], top = before;
            for (int i = 0; i < pieces; i++)
            {
                Float4 x = scores[(r * pitch) + i];
                top = Most(Most(top, Most(x.X, x.Y)), Most(x.Z, x.W));
            }

            TileRow row = AttentionTile.Row(p, s, unit, firstRow + r);
            float total = 0;
            for (int i = 0; i < pieces; i++)
            {
                Float4 x = scores[(r * pitch) + i];
                x = new(Weight(x.X, top), Weight(x.Y, top), Weight(x.Z, top), Weight(x.W, top));
                total += x.Sum();
                if (p.Terms.DropProbability > 0)
                    x = Dropped(p.Terms, s, row, firstKey + (4 * i), dropout, x);
                scores[(r * pitch) + i] = x;
            }

            float shrink = Weight(before, top);
            rows[r] = top;
            rows[p.RowTile + r] = (rows[p.RowTile + r] * shrink) + total;
            rows[(2 * p.RowTile) + r] = shrink;
        }
    }

    /// <summary>e^(score − maximum); 0 for −∞ whatever the maximum is.</summary>
    public static float Weight(float score, float maximum) =>
        score == float.NegativeInfinity ? 0 : FloatMath.Exp(score - maximum);

    private static Float4 Dropped(
        AttentionTerms terms, Sequence s, TileRow row, int key, ulong dropout, Float4 x) => new(
        x.X * terms.DropoutFactor(dropout, s, row.Head, row.Query, key),
        x.Y * terms.DropoutFactor(dropout, s, row.Head, row.Query, key + 1),
        x.Z * terms.DropoutFactor(dropout, s, row.Head, row.Query, key + 2),
        x.W * terms.DropoutFactor(dropout, s, row.Head, row.Query, key + 3));

    private static float Most(float a, float b) => a > b ? a : b;
}
