using Transformer.Tensors;
using static Transformer.Cli.Tests.Commands.Run.PlainAttention;

namespace Transformer.Cli.Tests.Commands.Run;

/// <summary><c>run attention</c> with position terms, sinks, block masks and caches.</summary>
public abstract class AttentionTermCommandTests(string backend) : IDisposable
{
    private readonly RunFiles files = new();

    public void Dispose()
    {
        files.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void Alibi_FollowsTheCausalOffset()
    {
        double[] slopes = [0.5, 0.25, 0, -1];
        const int offset = Keys - Queries;
        PlainAttention plain = new PlainAttention
        {
            Visible = (_, _, i, j) => j <= i + offset,
            Bias = (_, h, i, j) => -slopes[h] * Math.Abs(i + offset - j),
        }.Compute();
        Run(plain, "--alibi", files.Floats("a", slopes, QueryHeads), "--causal", "bottom-right");
        files.Holds("o", OutputShape, plain.Output);
    }

    [Fact]
    public void Sinks_JoinTheDenominator()
    {
        double[] sinks = [1, -2, double.NegativeInfinity, 0];
        PlainAttention plain = new PlainAttention().Compute();
        Run(plain, "--sinks", files.Floats("s", sinks, QueryHeads), "--lse-out", files["lse"]);
        double[] lse = [.. plain.LogSumExp.Select(
            (l, row) => Math.Log(Math.Exp(l) + Math.Exp(sinks[row / Queries % QueryHeads])))];
        double[] output = [.. plain.Output.Select((o, at) =>
            o * Math.Exp(plain.LogSumExp[at / ValueWidth] - lse[at / ValueWidth]))];
        files.Holds("o", OutputShape, output);
        files.Holds("lse", RowShape, lse);
    }

    [Fact]
    public void RelativeBias_OnBothSides()
    {
        // Four buckets, two a side: the own position and all that lies before, none and all after.
        double[] table = RunFiles.Random(5, 4 * QueryHeads);
        PlainAttention plain = new PlainAttention
        {
            Bias = (_, h, i, j) => table[((j == i ? 0 : j < i ? 1 : 3) * QueryHeads) + h],
        }.Compute();
        Run(plain, "--relative-bias", files.Floats("r", table, 4, QueryHeads));
        files.Holds("o", OutputShape, plain.Output);
    }

    [Theory]
    [InlineData(new[] { 0, 1, 2, 2, 3 }, "--relative-distance", "8")] // 2 + ⌊2·log(4/2)/log(8/2)⌋
    [InlineData(new[] { 0, 1, 2, 2, 2 })] // 2 + ⌊2·log(4/2)/log(128/2)⌋
    public void RelativeBias_Causal(int[] bucketOfDistance, params string[] distance)
    {
        double[] table = RunFiles.Random(6, 4 * QueryHeads);
        const int offset = Keys - Queries;
        PlainAttention plain = new PlainAttention
        {
            Visible = (_, _, i, j) => j <= i + offset,
            Bias = (_, h, i, j) =>
                table[(bucketOfDistance[Math.Max(0, i + offset - j)] * QueryHeads) + h],
        }.Compute();
        Run(plain, ["--relative-bias", files.Floats("r", table, 4, QueryHeads), "--causal",
            "bottom-right", "--relative-causal", .. distance]);
        files.Holds("o", OutputShape, plain.Output);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(QueryHeads)]
    public void BlockMask_OfOneHeadOrAll(int heads)
    {
        // Queries 0–1 and 2; keys 0–2 and 3–4. The first head's last query sees nothing.
        bool[] blocks = [.. Enumerable.Range(0, heads * 4).Select(i => i % 5 == 0 || i % 3 == 1)];
        PlainAttention plain = new PlainAttention
        {
            Visible = (_, h, i, j) =>
                blocks[((((heads == 1 ? 0 : h) * 2) + (i / 2)) * 2) + (j / 3)],
        }.Compute();
        Run(plain, "--block-mask", files.Bools("m", blocks, heads, 2, 2), "--block-size", "2,3");
        files.Holds("o", OutputShape, plain.Output);
        Assert.Contains(double.NegativeInfinity, plain.LogSumExp);
    }

    [Fact]
    public void CausalPast_WithLengthsOnly_CountsTheKeysBeforeTheQueries()
    {
        int[] lengths = [4, 2];
        PlainAttention plain = new PlainAttention
        {
            Visible = (b, _, i, j) => j < lengths[b] && j <= i + lengths[b] - Queries,
        }.Compute();
        Run(plain, "--kv-lengths", files.Ints("n", lengths, 2), "--causal", "past");
        files.Holds("o", OutputShape, plain.Output);
    }

    [Fact]
    public void CausalPast_WithBoth_CountsThePast()
    {
        const int past = 2;
        int[] lengths = [5, 3];
        PlainAttention plain = new PlainAttention
        {
            Visible = (b, _, i, j) => j < lengths[b] && j <= i + past,
        }.Compute();
        CommandLine.Run("run", "attention", "--backend", backend,
            "--q", files.Floats("q", plain.Q, Batch, QueryHeads, Queries, Width),
            "--k", Keyed("k", plain.Rows(plain.K, Width, past, Keys), Keys - past, Width),
            "--v", Keyed("v", plain.Rows(plain.V, ValueWidth, past, Keys), Keys - past, ValueWidth),
            "--past-k", Keyed("pk", plain.Rows(plain.K, Width, 0, past), past, Width),
            "--past-v", Keyed("pv", plain.Rows(plain.V, ValueWidth, 0, past), past, ValueWidth),
            "--kv-lengths", files.Ints("n", lengths, 2), "--causal", "past", "--out", files["o"])
            .Succeeded();
        files.Holds("o", OutputShape, plain.Output);
    }

    [Fact]
    public void Present_KeepsTheTypeOfItsFile()
    {
        PlainAttention plain = new PlainAttention().Compute();
        double[] fine = [.. plain.V.Select(v => v + Math.Pow(2, -20))];
        CommandLine.Run("run", "attention", "--backend", backend,
            "--q", files.Halves("q", plain.Q, Batch, QueryHeads, Queries, Width),
            "--k", files.Halves("k", plain.K, Batch, KeyHeads, Keys, Width),
            "--v", Keyed("v", fine, Keys, ValueWidth), "--out", files["o"],
            "--present-k-out", files["pk"], "--present-v-out", files["pv"]).Succeeded();
        files.Holds("o", OutputShape, plain.Output, DType.Float16);
        Assert.Equal(plain.K, files.Read("pk", [Batch, KeyHeads, Keys, Width], DType.Float16));
        Assert.Equal(fine, files.Read("pv", [Batch, KeyHeads, Keys, ValueWidth]));
    }

    private string Keyed(string name, double[] values, int length, int width) =>
        files.Floats(name, values, Batch, KeyHeads, length, width);

    private void Run(PlainAttention plain, params string[] options) => CommandLine.Run(
        ["run", "attention", "--backend", backend,
            "--q", files.Floats("q", plain.Q, Batch, QueryHeads, Queries, Width),
            "--k", Keyed("k", plain.K, plain.KeyCount, Width),
            "--v", Keyed("v", plain.V, plain.KeyCount, ValueWidth),
            "--out", files["o"], .. options]).Succeeded();
}

/// <summary>On <c>simd</c>.</summary>
public sealed class SimdAttentionTermCommandTests() : AttentionTermCommandTests("simd");

/// <summary>On <c>reference</c>.</summary>
public sealed class ReferenceAttentionTermCommandTests() : AttentionTermCommandTests("reference");
