namespace Transformer.Cli.Tests.Commands.Run;

/// <summary>Attention by plain loops in double over [B, H, S, D], written for these tests alone.
/// </summary>
public sealed class PlainAttention
{
    public const int Batch = 2, QueryHeads = 4, KeyHeads = 2, Queries = 3, Keys = 5, Width = 4,
        ValueWidth = 6;

    public PlainAttention(int keys = Keys)
    {
        KeyCount = keys;
        Q = RunFiles.Random(1, Batch * QueryHeads * Queries * Width);
        K = RunFiles.Random(2, Batch * KeyHeads * keys * Width);
        V = RunFiles.Random(3, Batch * KeyHeads * keys * ValueWidth);
    }

    public int KeyCount { get; }

    public double[] Q { get; }

    public double[] K { get; }

    public double[] V { get; }

    public double Scale { get; init; } = 0.5; // 1/√4

    public double Cap { get; init; }

    /// <summary>(batch, head, query, key).</summary>
    public Func<int, int, int, int, bool> Visible { get; init; } = (_, _, _, _) => true;

    public Func<int, int, int, int, double> Bias { get; init; } = (_, _, _, _) => 0;

    public double[] Output { get; private set; } = [];

    public double[] LogSumExp { get; private set; } = [];

    /// <summary>Raw, capped, masked scores and probabilities, by the option's names.</summary>
    public Dictionary<string, double[]> Scores { get; } = [];

    public static long[] OutputShape => [Batch, QueryHeads, Queries, ValueWidth];

    public static long[] RowShape => [Batch, QueryHeads, Queries];

    public long[] ScoreShape => [Batch, QueryHeads, Queries, KeyCount];

    /// <summary>[B, H, S, D] as [B, S, H·D].</summary>
    public static double[] Pack(double[] values, int heads, int length, int width)
    {
        double[] packed = new double[values.Length];
        for (int b = 0; b < Batch; b++)
            for (int h = 0; h < heads; h++)
                for (int s = 0; s < length; s++)
                    for (int d = 0; d < width; d++)
                    {
                        packed[(((((b * length) + s) * heads) + h) * width) + d] =
                            values[(((((b * heads) + h) * length) + s) * width) + d];
                    }

        return packed;
    }

    /// <summary>Rows [first, last) of the keys' axis of [B, Hkv, S, D].</summary>
    public double[] Rows(double[] values, int width, int first, int last) =>
        [.. values.Where((_, i) => i / width % KeyCount >= first && i / width % KeyCount < last)];

    public PlainAttention Compute()
    {
        int rows = Batch * QueryHeads * Queries;
        Output = new double[rows * ValueWidth];
        LogSumExp = new double[rows];
        foreach (string stage in (string[])["raw", "capped", "masked", "probabilities"])
            Scores[stage] = new double[rows * KeyCount];
        for (int b = 0; b < Batch; b++)
            for (int h = 0; h < QueryHeads; h++)
                for (int i = 0; i < Queries; i++)
                    Row(b, h, i);
        return this;
    }

    private void Row(int b, int h, int i)
    {
        int row = (((b * QueryHeads) + h) * Queries) + i;
        int keyRow = ((b * KeyHeads) + (h / (QueryHeads / KeyHeads))) * KeyCount;
        double[] scores = new double[KeyCount];
        for (int j = 0; j < KeyCount; j++)
        {
            double raw = 0;
            for (int d = 0; d < Width; d++)
                raw += Q[(row * Width) + d] * K[((keyRow + j) * Width) + d] * Scale;
            double capped = Cap > 0 ? Cap * Math.Tanh(raw / Cap) : raw;
            scores[j] = Visible(b, h, i, j)
                ? capped + Bias(b, h, i, j) : double.NegativeInfinity;
            Scores["raw"][(row * KeyCount) + j] = raw;
            Scores["capped"][(row * KeyCount) + j] = capped;
            Scores["masked"][(row * KeyCount) + j] = scores[j];
        }

        double sum = scores.Sum(Math.Exp);
        LogSumExp[row] = sum > 0 ? Math.Log(sum) : double.NegativeInfinity;
        for (int j = 0; j < KeyCount; j++)
        {
            double weight = sum > 0 ? Math.Exp(scores[j]) / sum : 0;
            Scores["probabilities"][(row * KeyCount) + j] = weight;
            for (int d = 0; d < ValueWidth; d++)
                Output[(row * ValueWidth) + d] += weight * V[((keyRow + j) * ValueWidth) + d];
        }
    }
}
