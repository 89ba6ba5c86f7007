using Transformer.Tensors;
using static Transformer.Cli.Tests.Commands.Run.PlainAttention;

namespace Transformer.Cli.Tests.Commands.Run;

/// <summary><c>run attention</c> against plain loops, option by option.</summary>
public abstract class AttentionCommandTests(string backend) : IDisposable
{
    private readonly RunFiles files = new();

    public void Dispose()
    {
        files.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void RankFour_GroupedHeads()
    {
        PlainAttention plain = new PlainAttention().Compute();
        Run(plain, "--lse-out", files["lse"]);
        files.Holds("o", OutputShape, plain.Output);
        files.Holds("lse", RowShape, plain.LogSumExp);
    }

    [Fact]
    public void RankThree_WithHeads_GivesRankThree()
    {
        PlainAttention plain = new PlainAttention().Compute();
        CommandLine.Run("run", "attention", "--backend", backend,
            "--q", files.Floats("q", Pack(plain.Q, QueryHeads, Queries, Width),
                Batch, Queries, QueryHeads * Width),
            "--k", files.Floats("k", Pack(plain.K, KeyHeads, Keys, Width),
                Batch, Keys, KeyHeads * Width),
            "--v", files.Floats("v", Pack(plain.V, KeyHeads, Keys, ValueWidth),
                Batch, Keys, KeyHeads * ValueWidth),
            "--heads", "4,2", "--out", files["o"], "--present-k-out", files["pk"],
            "--present-v-out", files["pv"]).Succeeded();
        files.Holds("o", [Batch, Queries, QueryHeads * ValueWidth],
            Pack(plain.Output, QueryHeads, Queries, ValueWidth));
        files.Holds("pk", [Batch, KeyHeads, Keys, Width], plain.K);
        files.Holds("pv", [Batch, KeyHeads, Keys, ValueWidth], plain.V);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Mask_OfEachRank(int rank)
    {
        long[] shape = ((long[])[Batch, QueryHeads, Queries, Keys])[^rank..];
        int count = (int)shape.Aggregate((a, b) => a * b);
        bool[] mask = [.. Enumerable.Range(0, count).Select(i => i * 7 % 10 < 6)];
        Array.Fill(mask, false, 0, Keys); // the first query sees nothing
        PlainAttention plain = new PlainAttention
        {
            Visible = (b, h, i, j) => mask[At(rank, b, h, i, j)],
        }.Compute();
        Run(plain, "--mask", files.Bools("m", mask, shape), "--lse-out", files["lse"]);
        files.Holds("o", OutputShape, plain.Output);
        files.Holds("lse", RowShape, plain.LogSumExp);
        Assert.Contains(double.NegativeInfinity, plain.LogSumExp);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Bias_OfEachRank(int rank)
    {
        long[] shape = ((long[])[Batch, QueryHeads, Queries, Keys])[^rank..];
        double[] bias = RunFiles.Random(9, (int)shape.Aggregate((a, b) => a * b));
        bias[1] = double.NegativeInfinity;
        PlainAttention plain = new PlainAttention
        {
            Bias = (b, h, i, j) => bias[At(rank, b, h, i, j)],
        }.Compute();
        Run(plain, "--bias", files.Floats("b", bias, shape));
        files.Holds("o", OutputShape, plain.Output);
    }

    [Fact]
    public void ShortMask_HidesTheOtherKeys()
    {
        PlainAttention plain = new PlainAttention { Visible = (_, _, _, j) => j < 2 }.Compute();
        Run(plain, "--mask", files.Bools("m", [true, true], 2));
        files.Holds("o", OutputShape, plain.Output);
        plain = new PlainAttention { Visible = (_, _, _, _) => false }.Compute();
        Run(plain, "--mask", files.Bools("m", [], 0));
        files.Holds("o", OutputShape, plain.Output);
    }

    [Theory]
    [InlineData("top-left", 0)]
    [InlineData("bottom-right", Keys - Queries)]
    [InlineData("past", 0)]
    public void Causal(string alignment, int offset)
    {
        PlainAttention plain =
            new PlainAttention { Visible = (_, _, i, j) => j <= i + offset }.Compute();
        Run(plain, "--causal", alignment);
        files.Holds("o", OutputShape, plain.Output);
    }

    [Fact]
    public void Past_IsPutBeforeTheNewKeys()
    {
        const int past = 2;
        PlainAttention plain =
            new PlainAttention { Visible = (_, _, i, j) => j <= i + past }.Compute();
        CommandLine.Run("run", "attention", "--backend", backend,
            "--q", files.Floats("q", plain.Q, Batch, QueryHeads, Queries, Width),
            "--k", Keyed("k", plain.Rows(plain.K, Width, past, Keys), Keys - past, Width),
            "--v", Keyed("v", plain.Rows(plain.V, ValueWidth, past, Keys), Keys - past, ValueWidth),
            "--past-k", Keyed("pk", plain.Rows(plain.K, Width, 0, past), past, Width),
            "--past-v", Keyed("pv", plain.Rows(plain.V, ValueWidth, 0, past), past, ValueWidth),
            "--causal", "past", "--out", files["o"], "--present-k-out", files["kk"],
            "--present-v-out", files["vv"]).Succeeded();
        files.Holds("o", OutputShape, plain.Output);
        files.Holds("kk", [Batch, KeyHeads, Keys, Width], plain.K);
        files.Holds("vv", [Batch, KeyHeads, Keys, ValueWidth], plain.V);
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(0, 0)]
    [InlineData(-1, 1)]
    [InlineData(2, -1)]
    [InlineData(int.MaxValue, int.MaxValue)]
    public void Window(int left, int right)
    {
        PlainAttention plain = new PlainAttention
        {
            Visible = (_, _, i, j) =>
                (left < 0 || j >= i - (long)left) && (right < 0 || j <= i + (long)right),
        }.Compute();
        Run(plain, "--window", $"{left},{right}");
        files.Holds("o", OutputShape, plain.Output);
    }

    [Fact]
    public void KeyLengths_AlignEachSequence()
    {
        int[] lengths = [2, 0];
        PlainAttention plain = new PlainAttention
        {
            Visible = (b, _, i, j) => j < lengths[b] && j <= i + lengths[b] - Queries,
        }.Compute();
        Run(plain, "--kv-lengths", files.Longs("n", [2, 0], 2), "--causal", "bottom-right");
        files.Holds("o", OutputShape, plain.Output);
    }

    [Theory]
    [InlineData("raw")]
    [InlineData("capped")]
    [InlineData("masked")]
    [InlineData("probabilities")]
    public void Scores(string stage)
    {
        double[] bias = RunFiles.Random(4, Keys);
        PlainAttention plain = new PlainAttention
        {
            Scale = 0.25,
            Cap = 1.5,
            Bias = (_, _, _, j) => bias[j],
            Visible = (_, _, i, j) => j <= i,
        }.Compute();
        Run(plain, "--scale", "0.25", "--soft-cap", "1.5", "--bias", files.Floats("b", bias, Keys),
            "--causal", "top-left", "--scores", stage, "--scores-out", files["s"]);
        files.Holds("s", plain.ScoreShape, plain.Scores[stage]);
        files.Holds("o", OutputShape, plain.Output);
    }

    [Fact]
    public void SixteenBitFiles_GiveResultsOfTheirType()
    {
        PlainAttention plain = new PlainAttention().Compute();
        CommandLine.Run("run", "attention", "--backend", backend,
            "--q", files.Halves("q", plain.Q, Batch, QueryHeads, Queries, Width),
            "--k", files.Halves("k", plain.K, Batch, KeyHeads, Keys, Width),
            "--v", files.Halves("v", plain.V, Batch, KeyHeads, Keys, ValueWidth),
            "--out", files["o"], "--lse-out", files["lse"]).Succeeded();
        files.Holds("o", OutputShape, plain.Output, DType.Float16);
        files.Holds("lse", RowShape, plain.LogSumExp);
        CommandLine.Run("run", "attention", "--backend", backend, "--bf16",
            "--q", files.BFloats("q", plain.Q, Batch, QueryHeads, Queries, Width),
            "--k", files.BFloats("k", plain.K, Batch, KeyHeads, Keys, Width),
            "--v", files.BFloats("v", plain.V, Batch, KeyHeads, Keys, ValueWidth),
            "--out", files["o"]).Succeeded();
        files.Holds("o", OutputShape, plain.Output, DType.BFloat16);
    }

    [Fact]
    public void NoKeys_GiveZeros()
    {
        PlainAttention plain = new PlainAttention(0).Compute();
        Run(plain, "--lse-out", files["lse"]);
        files.Holds("o", OutputShape, new double[plain.Output.Length]);
        Assert.All(
            files.Read("lse", RowShape), l => Assert.Equal(double.NegativeInfinity, l));
    }

    private static int At(int rank, int b, int h, int i, int j) =>
        ((((rank > 3 ? b * QueryHeads : 0) + (rank > 2 ? h : 0)) * Queries) + i) * Keys + j;

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
public sealed class SimdAttentionCommandTests() : AttentionCommandTests("simd");

/// <summary>On <c>reference</c>.</summary>
public sealed class ReferenceAttentionCommandTests() : AttentionCommandTests("reference");
