using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>results = results·shrink + weights·values of a tile, all in shared memory.</summary>
internal static class WeightedSum
{
    /// <summary>A thread takes 4 rows × 4 columns, and as many such pieces as it must.</summary>
    /// <param name="rowTile">Rows.</param>
    /// <param name="keyTile">Keys.</param>
    /// <param name="pitch">Fours from one row of values or results to the next.</param>
    /// <param name="weights">[rows, keys + padding].</param>
    /// <param name="values">[keys, pitch].</param>
    /// <param name="results">[rows, pitch].</param>
    /// <param name="rows">Of OnlineSoftmax.</param>
    public static void Add(
        int rowTile, int keyTile, int pitch, ArrayView<Float4> weights, ArrayView<Float4> values,
        ArrayView<Float4> results, ArrayView<float> rows)
    {
        int columns = pitch - (AttentionTile.Padding / 4), step = rowTile / 4;
        int weightPitch = (keyTile + AttentionTile.Padding) / 4;
        for (int item = Group.IdxX; item < step * columns; item += Group.DimX)
        {
            int r = item / columns, column = item % columns;
            int w0 = r * weightPitch, w1 = w0 + (step * weightPitch);
            int w2 = w1 + (step * weightPitch), w3 = w2 + (step * weightPitch);
            int at = (r * pitch) + column, next = step * pitch;
            int shrink = (2 * rowTile) + r;
            Float4 c0 = rows[shrink] * results[at];
            Float4 c1 = rows[shrink + step] * results[at + next];
            Float4 c2 = rows[shrink + (2 * step)] * results[at + (2 * next)];
            Float4 c3 = rows[shrink + (3 * step)] * results[at + (3 * next)];
            for (int k = 0; k < keyTile / 4; k++)
            {
                int v = (4 * k * pitch) + column;
                Float4 v0 = values[v], v1 = values[v + pitch];
                Float4 v2 = values[v + (2 * pitch)], v3 = values[v + (3 * pitch)];
                c0 += Combine(weights[w0 + k], v0, v1, v2, v3);
                c1 += Combine(weights[w1 + k], v0, v1, v2, v3);
                c2 += Combine(weights[w2 + k], v0, v1, v2, v3);
                c3 += Combine(weights[w3 + k], v0, v1, v2, v3);
            }

            results[at] = c0;
            results[at + next] = c1;
            results[at + (2 * next)] = c2;
            results[at + (3 * next)] = c3;
        }
    }

    /// <summary>As <see cref="Add"/>, where some values are NaN or ∞: a weight of 0 skips them.
    /// </summary>
    public static void AddChecked(
        int rowTile, int keyTile, int pitch, ArrayView<Float4> weights, ArrayView<Float4> values,
        ArrayView<Float4> results, ArrayView<float> rows)
    {
        int columns = pitch - (AttentionTile.Padding / 4);
        int weightPitch = keyTile + AttentionTile.Padding;
        ArrayView<float> weight = weights.Cast<float>();
        for (int item = Group.IdxX; item < rowTile * columns; item += Group.DimX)
        {
            int r = item / columns, column = item % columns;
            Float4 sum = rows[(2 * rowTile) + r] * results[(r * pitch) + column];
            for (int k = 0; k < keyTile; k++)
            {
                float w = weight[(r * weightPitch) + k];
                if (w != 0) sum += w * values[(k * pitch) + column];
            }

            results[(r * pitch) + column] = sum;
        }
    }

    private static Float4 Combine(Float4 w, Float4 v0, Float4 v1, Float4 v2, Float4 v3) =>
        (w.X * v0) + (w.Y * v1) + ((w.Z * v2) + (w.W * v3));
}
