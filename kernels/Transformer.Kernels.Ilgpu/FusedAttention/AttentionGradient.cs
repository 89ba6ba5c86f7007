using ILGPU;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>A backward call and its score modifier; absent tensors are empty.</summary>
internal struct AttentionBackwardArgument<T, TScore>
    where T : unmanaged where TScore : struct, IDifferentiableScoreModifier
{
    public AttentionArgument<T> Attention;
    public TScore Score;
    public ArrayView<T> OutputGradient, QueryGradient, KeyGradient, ValueGradient;
    public ArrayView<float> Deltas;
    public AnyFloats BiasGradient, RelativeGradient, SinkGradient;
    public int OutputGradientAligned, QueryGradientAligned, KeyGradientAligned;
    public int ValueGradientAligned;

    /// <summary>Sequences, heads, queries and keys that have a bias of their own.</summary>
    public int BiasBatches, BiasHeads, BiasQueries, BiasKeys;
}

/// <summary>A weight after dropout, and a gradient.</summary>
internal struct WeightAndGradient
{
    public float Weight, Gradient;
}

/// <summary>Weights and score gradients computed anew from log-sum-exps: P = e^(s − L) (0 where
/// hidden), dP = M ⊙ dO·Vᵀ, dS = P ⊙ (dP − δ), δ = rowsum(dO ⊙ O), M dropout's 0 or 1/(1 − p).
/// </summary>
internal static class AttentionGradient
{
    /// <summary>P ⊙ M and dS of a pair.</summary>
    /// <param name="a">The call.</param>
    /// <param name="s">The sequence.</param>
    /// <param name="row">The query; zeros where there is none.</param>
    /// <param name="key">The key.</param>
    /// <param name="product">q·k.</param>
    /// <param name="incoming">dO·v.</param>
    /// <param name="dropout">Of AttentionTerms.DropoutKey.</param>
    /// <param name="toProducts">1: the gradient of q·k, through modifier, cap and scale; 0: of the
    /// score.</param>
    public static WeightAndGradient Of<T, TScore>(
        AttentionBackwardArgument<T, TScore> a, Sequence s, TileRow row, int key, float product,
        float incoming, ulong dropout, int toProducts)
        where T : unmanaged where TScore : struct, IDifferentiableScoreModifier
    {
        WeightAndGradient result = default;
        AttentionPlaces places = a.Attention.Places;
        AttentionTerms terms = a.Attention.Terms;
        if (row.Exists == 0 || key < places.FirstKey(s, row.Query) ||
            key >= places.EndKey(s, row.Query) ||
            !terms.Shows(a.Score, s, row.Head, row.Query, key))
        {
            return result;
        }

        float capped = terms.Capped(product * terms.Scale);
        float score = terms.Shaped(a.Score, s, row.Head, row.Query, key, capped);
        long index = places.RowIndex(s, row.Head, row.Query);
        float weight = OnlineSoftmax.Weight(score, a.Attention.LogSumExp[index]);
        if (weight == 0) return result;
        float factor = terms.DropProbability > 0
            ? terms.DropoutFactor(dropout, s, row.Head, row.Query, key) : 1;
        result.Weight = weight * factor;
        float gradient = weight * ((factor == 0 ? 0 : incoming * factor) - a.Deltas[index]);
        if (toProducts != 0)
        {
            gradient *= a.Score.Derivative(capped, s.Batch, row.Head, row.Query, key);
            float tangent = terms.SoftCap > 0 ? capped / terms.SoftCap : 0;
            gradient *= (1 - (tangent * tangent)) * terms.Scale;
        }

        result.Gradient = gradient;
        return result;
    }

    /// <summary>products[r, c] = a[r]·b[c] of rows in shared memory, four by four.</summary>
    /// <param name="rows">A multiple of four.</param>
    /// <param name="columns">A multiple of four.</param>
    /// <param name="width">Of a row; its pitch is the padded width and the padding.</param>
    /// <param name="a">[rows, pitch].</param>
    /// <param name="b">[columns, pitch].</param>
    /// <param name="products">[rows, columns + padding].</param>
    public static void Multiply(
        int rows, int columns, int width, ArrayView<Float4> a, ArrayView<Float4> b,
        ArrayView<float> products)
    {
        int stepR = rows / 4, stepC = columns / 4, pieces = AttentionTile.Padded(width) / 4;
        int pitch = pieces + (AttentionTile.Padding / 4);
        for (int item = Group.IdxX; item < stepR * stepC; item += Group.DimX)
        {
            int r = item / stepC, c = item % stepC;
            Float4 c0 = default, c1 = default, c2 = default, c3 = default;
            int a0 = r * pitch, a1 = a0 + (stepR * pitch), a2 = a1 + (stepR * pitch);
            int a3 = a2 + (stepR * pitch);
            int b0 = c * pitch, b1 = b0 + (stepC * pitch), b2 = b1 + (stepC * pitch);
            int b3 = b2 + (stepC * pitch);
            for (int d = 0; d < pieces; d++)
            {
                Float4 x0 = b[b0 + d], x1 = b[b1 + d], x2 = b[b2 + d], x3 = b[b3 + d];
                c0 += Dots(a[a0 + d], x0, x1, x2, x3);
                c1 += Dots(a[a1 + d], x0, x1, x2, x3);
                c2 += Dots(a[a2 + d], x0, x1, x2, x3);
                c3 += Dots(a[a3 + d], x0, x1, x2, x3);
            }

            int at = (r * (columns + AttentionTile.Padding)) + c;
            int next = stepR * (columns + AttentionTile.Padding);
            Put(products, at, stepC, c0);
            Put(products, at + next, stepC, c1);
            Put(products, at + (2 * next), stepC, c2);
            Put(products, at + (3 * next), stepC, c3);
        }
    }

    private static Float4 Dots(Float4 q, Float4 x0, Float4 x1, Float4 x2, Float4 x3) =>
        new((q * x0).Sum(), (q * x1).Sum(), (q * x2).Sum(), (q * x3).Sum());

    private static void Put(ArrayView<float> products, int at, int step, Float4 values)
    {
        products[at] = values.X;
        products[at + step] = values.Y;
        products[at + (2 * step)] = values.Z;
        products[at + (3 * step)] = values.W;
    }
}
