using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Tests.FusedAttention;

/// <summary>
/// Attention as separate passes on 16-bit tensors: scores, weights, output and, backward, dP, dS
/// and the gradients are each stored rounded; sums and exponentials are binary32.
/// </summary>
internal sealed class UnfusedSixteenBitAttention
{
    private readonly AttentionSizes sizes;
    private readonly bool causal;
    private readonly DType dtype;
    private readonly double[] query;
    private readonly double[] key;
    private readonly double[] value;
    private readonly float scale;
    private readonly float[] weights;

    public UnfusedSixteenBitAttention(
        AttentionSizes sizes, bool causal, DType dtype, double[] query, double[] key,
        double[] value)
    {
        this.sizes = sizes;
        this.causal = causal;
        this.dtype = dtype;
        this.query = query;
        this.key = key;
        this.value = value;
        scale = 1 / MathF.Sqrt(sizes.HeadDimension);
        weights = new float[Rows * sizes.KeyLength];
        Output = new double[Rows * sizes.ValueDimension];
        QueryGradient = new double[query.Length];
        KeyGradient = new double[key.Length];
        ValueGradient = new double[value.Length];
    }

    public double[] Output { get; }

    public double[] QueryGradient { get; }

    public double[] KeyGradient { get; }

    public double[] ValueGradient { get; }

    private int Rows => sizes.Batch * sizes.QueryHeads * sizes.QueryLength;

    public void Forward()
    {
        for (int row = 0; row < Rows; row++)
        {
            Span<float> p = weights.AsSpan(row * sizes.KeyLength, sizes.KeyLength);
            int visible = Visible(row);
            float maximum = float.NegativeInfinity, total = 0;
            for (int j = 0; j < visible; j++)
            {
                p[j] = Rounded(scale * Dot(query, row, key, KeyRow(row, j), sizes.HeadDimension));
                maximum = Math.Max(maximum, p[j]);
            }

            for (int j = 0; j < visible; j++) total += p[j] = MathF.Exp(p[j] - maximum);
            for (int j = 0; j < visible; j++) p[j] = Rounded(p[j] / total);
            for (int d = 0; d < sizes.ValueDimension; d++)
            {
                float sum = 0;
                for (int j = 0; j < visible; j++)
                {
                    sum += p[j] * (float)value[(KeyRow(row, j) * sizes.ValueDimension) + d];
                }

                Output[(row * sizes.ValueDimension) + d] = Rounded(sum);
            }
        }
    }

    public void Backward(double[] outputGradient)
    {
        float[] dq = new float[query.Length], dk = new float[key.Length];
        float[] dv = new float[value.Length], ds = new float[sizes.KeyLength];
        for (int row = 0; row < Rows; row++)
        {
            Span<float> p = weights.AsSpan(row * sizes.KeyLength, sizes.KeyLength);
            int visible = Visible(row);
            float delta = 0;
            for (int j = 0; j < visible; j++)
            {
                ds[j] = Rounded(
                    Dot(outputGradient, row, value, KeyRow(row, j), sizes.ValueDimension));
                delta += p[j] * ds[j];
            }

            for (int j = 0; j < visible; j++)
            {
                float gradient = Rounded(p[j] * (ds[j] - delta)) * scale;
                int other = KeyRow(row, j);
                Add(gradient, key, other, dq, row, sizes.HeadDimension);
                Add(gradient, query, row, dk, other, sizes.HeadDimension);
                Add(p[j], outputGradient, row, dv, other, sizes.ValueDimension);
            }
        }

        for (int i = 0; i < dq.Length; i++) QueryGradient[i] = Rounded(dq[i]);
        for (int i = 0; i < dk.Length; i++) KeyGradient[i] = Rounded(dk[i]);
        for (int i = 0; i < dv.Length; i++) ValueGradient[i] = Rounded(dv[i]);
    }

    private static float Dot(double[] a, int aRow, double[] b, int bRow, int width)
    {
        float sum = 0;
        for (int d = 0; d < width; d++)
        {
            sum += (float)a[(aRow * width) + d] * (float)b[(bRow * width) + d];
        }

        return sum;
    }

    private static void Add(
        float factor, double[] from, int fromRow, float[] to, int toRow, int width)
    {
        for (int d = 0; d < width; d++)
        {
            to[(toRow * width) + d] += factor * (float)from[(fromRow * width) + d];
        }
    }

    private float Rounded(float x) => dtype == DType.Float16 ? (float)(Half)x : (float)(BFloat16)x;

    private int Visible(int row) =>
        causal ? Math.Min(sizes.KeyLength, (row % sizes.QueryLength) + 1) : sizes.KeyLength;

    // Rows [B, Hq, Sq] and [B, Hkv, Skv].
    private int KeyRow(int row, int j)
    {
        (int sequence, int head) = Math.DivRem(row / sizes.QueryLength, sizes.QueryHeads);
        int keyHead = head / (sizes.QueryHeads / sizes.KeyValueHeads);
        return (((sequence * sizes.KeyValueHeads) + keyHead) * sizes.KeyLength) + j;
    }
}
