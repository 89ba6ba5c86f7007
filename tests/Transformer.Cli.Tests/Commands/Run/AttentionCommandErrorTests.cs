namespace Transformer.Cli.Tests.Commands.Run;

/// <summary><c>run attention</c> with files and options that do not fit.</summary>
public sealed class AttentionCommandErrorTests : IDisposable
{
    private readonly RunFiles files = new();
    private readonly string q, k, v;

    public AttentionCommandErrorTests()
    {
        q = Zeros("q", 1, 2, 3, 4);
        k = Zeros("k", 1, 2, 5, 4);
        v = Zeros("v", 1, 2, 5, 4);
    }

    public void Dispose()
    {
        Assert.False(File.Exists(files["o"]));
        files.Dispose();
    }

    [Fact]
    public void Shapes()
    {
        Run(Zeros("b", 1, 2, 3, 5), k, v).IsBadInput("run attention: --q [1, 2, 3, 5]",
            "--k [1, 2, 5, 4]", "head dimension in q and k");
        Run(Zeros("b", 2, 2, 3, 4), k, v).IsBadInput("Batch must be equal");
        Run(q, k, Zeros("b", 1, 2, 6, 4)).IsBadInput("heads and length in k and v");
        Run(Zeros("b", 1, 3, 3, 4), k, v).IsBadInput(
            "FusedAttention: 'key' has 2 heads; 'query' has 3", "Use Hkv in {1, 3}");
        Run(Zeros("b", 3, 4), k, v).IsBadInput("--q has shape [3, 4]; expected rank 3 or 4");
        Run(Zeros("b", 1, 3, 8), k, v).IsBadInput("Rank 3 needs --heads Hq[,Hkv]");
        Run(Zeros("b", 1, 3, 8), k, v, "--heads", "3").IsBadInput("8 must be a multiple of it");
        Run(q, k, v, "--heads", "two").IsBadInput("--heads is 'two'; expected Hq or Hq,Hkv");
        Run(Zeros("b", 1, 3, 8), k, v, "--heads", "-2").IsBadInput("--heads says -2");
        Run(Zeros("b", 1, 3, 8), k, v, "--heads", "0").IsBadInput("--heads says 0");
        Run(Zeros("b", 1, 3, 8), Zeros("c", 1, 3, 8), v, "--heads", "2,0")
            .IsBadInput("--k", "--heads says 0");
    }

    [Fact]
    public void MaskBiasAndLengths()
    {
        Run(q, k, v, "--mask", files.Bools("m", new bool[18], 3, 6)).IsBadInput(
            "FusedAttention: mask or bias of shape [3, 6] does not broadcast to [1, 2, 3, 5]");
        Run(q, k, v, "--mask", Zeros("m", 3, 5)).IsBadInput(
            "run attention: --mask", "holds Float32", "expected Bool", "--bias");
        Run(q, k, v, "--bias", Zeros("m", 4, 5)).IsBadInput("does not broadcast");
        Run(q, k, v, "--bias", files.Ints("m", new int[15], 3, 5)).IsBadInput(
            "--bias", "holds Int32", "Convert it with astype");
        Run(q, k, v, "--kv-lengths", files.Ints("n", [6], 1)).IsBadInput(
            "FusedAttention: 'keyLengths[0]' is 6; expected 0 to 5");
        Run(q, k, v, "--kv-lengths", files.Ints("n", [-1], 1)).IsBadInput("is -1");
        Run(q, k, v, "--kv-lengths", files.Ints("n", [1, 1], 2)).IsBadInput(
            "--kv-lengths has shape [2]; expected [1]");
        Run(q, k, v, "--kv-lengths", files.Longs("n", [1L << 40], 1)).IsBadInput("element 0");
        Run(q, k, v, "--kv-lengths", Zeros("n", 1)).IsBadInput("expected Int32 or Int64");
    }

    [Fact]
    public void Past()
    {
        string past = Zeros("past", 1, 2, 2, 4);
        Run(q, k, v, "--past-k", past).IsBadInput("--past-k and --past-v go together");
        Run(q, k, v, "--past-k", past, "--past-v", Zeros("b", 1, 2, 3, 4)).IsBadInput(
            "--past-k has shape [1, 2, 2, 4] and --past-v [1, 2, 3, 4]");
        Run(q, k, v, "--past-k", past, "--past-v", Zeros("b", 1, 2, 2, 5)).IsBadInput(
            "--past-v has shape [1, 2, 2, 5]; expected [1, 2, P, 4]");
        Run(q, k, v, "--past-k", Zeros("b", 2, 2, 4), "--past-v", past).IsBadInput("--past-k");
    }

    [Fact]
    public void PositionTermsAndSinks()
    {
        Run(q, k, v, "--alibi", Zeros("b", 3)).IsBadInput(
            "run attention: --alibi has shape [3]; expected [2] for the 2 heads of --q");
        Run(q, k, v, "--sinks", Zeros("b", 1, 2)).IsBadInput(
            "run attention: --sinks has shape [1, 2]; expected [2]");
        Run(q, k, v, "--sinks", files.Ints("b", [1, 2], 2)).IsBadInput("--sinks", "holds Int32");
        Run(q, k, v, "--relative-bias", Zeros("b", 8, 3)).IsBadInput(
            "--relative-bias has shape [8, 3]; expected a last axis of 2");
        Run(q, k, v, "--relative-bias", Zeros("b", 2)).IsBadInput("expected rank 2");
        Run(q, k, v, "--relative-bias", Zeros("b", 7, 2)).IsBadInput(
            "FusedAttention: 'RelativeBuckets.Count' is 7");
        Run(q, k, v, "--relative-bias", Zeros("b", 32, 2), "--relative-distance", "8").IsBadInput(
            "'RelativeBuckets.MaximumDistance' is 8");
        Run(q, k, v, "--relative-distance", "8").IsBadInput(
            "run attention: --relative-distance is given without --relative-bias");
        Run(q, k, v, "--relative-causal").IsBadInput(
            "run attention: --relative-causal is given without --relative-bias");
    }

    [Fact]
    public void BlockMask()
    {
        string blocks = files.Bools("m", new bool[6], 1, 2, 3);
        Run(q, k, v, "--block-mask", blocks).IsBadInput(
            "run attention: --block-mask and --block-size go together");
        Run(q, k, v, "--block-size", "2,2").IsBadInput("go together");
        Run(q, k, v, "--block-mask", blocks, "--block-size", "2,3").IsBadInput(
            "--block-mask has shape [1, 2, 3]; expected [1, 2, 2]",
            "for 3 queries and 5 keys in blocks of 2,3");
        Run(q, k, v, "--block-mask", files.Bools("m", new bool[18], 3, 2, 3), "--block-size",
            "2,2").IsBadInput("--block-mask has shape [3, 2, 3]; expected [2, 2, 3]");
        Run(q, k, v, "--block-mask", Zeros("b", 1, 2, 3), "--block-size", "2,2").IsBadInput(
            "--block-mask", "expected Bool");
        Run(q, k, v, "--block-mask", blocks, "--block-size", "0,2").IsBadInput(
            "--block-size is '0,2'; expected Q,K of 1 or more");
        Run(q, k, v, "--block-mask", blocks, "--block-size", "2").IsBadInput(
            "--block-size is '2'; expected Q,K");
    }

    [Theory]
    [InlineData("--scale", "-1", "'Scale' is -1")]
    [InlineData("--scale", "NaN", "--scale is 'NaN'")]
    [InlineData("--scale", "1e300", "'Scale' is 1E+300")]
    [InlineData("--scale", "two", "--scale")]
    [InlineData("--soft-cap", "-1", "'SoftCap' is -1")]
    [InlineData("--soft-cap", "NaN", "--soft-cap is 'NaN'")]
    [InlineData("--window", "-2,0", "'Window' is (-2, 0)")]
    [InlineData("--window", "3", "--window is '3'; expected L,R")]
    [InlineData("--window", "1,2,3", "--window is '1,2,3'")]
    [InlineData("--window", "99999999999,0", "--window is '99999999999,0'")]
    [InlineData("--causal", "sideways",
        "Must be one of: 'top-left', 'bottom-right', 'past'. See")]
    [InlineData("--scores", "cooked", "cooked")]
    [InlineData("--scores", "raw", "--scores and --scores-out go together")]
    [InlineData("--backend", "abacus", "abacus")]
    public void Options(string option, string value, string expected) =>
        Run(q, k, v, option, value).IsBadInput(expected);

    [Fact]
    public void Files()
    {
        Run(files["none"], k, v).IsBadInput("none");
        Run(files.Folder, k, v).IsBadInput("folder");
        File.WriteAllText(files["text"], "hello");
        Run(files["text"], k, v).IsBadInput("'", "is no readable .npy file");
        byte[] whole = File.ReadAllBytes(q);
        File.WriteAllBytes(files["cut"], whole[..^4]);
        Run(files["cut"], k, v).IsBadInput("92 data bytes; shape [1, 2, 3, 4]");
        File.WriteAllBytes(files["long"], [.. whole, 0]);
        Run(files["long"], k, v).IsBadInput("97 data bytes");
        File.WriteAllBytes(files["empty"], []);
        Run(files["empty"], k, v).IsBadInput("0 bytes");
        Run(files.Ints("i", new int[24], 1, 2, 3, 4), k, v).IsBadInput(
            "run attention: --q", "holds Int32", "expected Float32 or Float16");
    }

    [Fact]
    public void Outputs_AreCheckedBeforeTheWork()
    {
        CommandLine.Run("run", "attention", "--q", q, "--k", k, "--v", v, "--out",
            Path.Combine(files["none"], "o")).IsBadInput("--out", "no folder", "Create it");
        CommandLine.Run("run", "attention", "--q", q, "--k", k, "--v", v, "--out", files.Folder)
            .IsBadInput("--out", "is a folder");
        CommandLine.Run("run", "attention", "--q", q, "--k", k, "--v", v, "--out", "")
            .IsBadInput("--out is empty");
        Run(q, k, v, "--lse-out", files["o"]).IsBadInput("--lse-out and --out both name");
        CommandLine.Run("run", "attention", "--q", q, "--k", k, "--v", v).IsBadInput("--out");
        CommandLine.Run("run", "fly").IsBadInput("fly");
    }

    private string Zeros(string name, params long[] shape) =>
        files.Floats(name, new double[shape.Aggregate((a, b) => a * b)], shape);

    private CommandResult Run(string query, string key, string value, params string[] options) =>
        CommandLine.Run(["run", "attention", "--q", query, "--k", key, "--v", value, "--out",
            files["o"], .. options]);
}
