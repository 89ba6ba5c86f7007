using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Cli.Tests.Commands.Run;

/// <summary><c>run embedding</c>, <c>dropout</c>, <c>adamw</c> and <c>gradient-norm</c>.</summary>
public sealed class OtherRunCommandTests : IDisposable
{
    private readonly RunFiles files = new();

    public void Dispose() => files.Dispose();

    [Fact]
    public void Embedding_AddsTokenPositionAndSegment()
    {
        double[] table = RunFiles.Random(1, 20), places = RunFiles.Random(2, 16);
        double[] kinds = RunFiles.Random(3, 8);
        int[] ids = [4, 0, 2, 2, 1, 4], segments = [0, 0, 1, 1, 0, 1];
        CommandLine.Run("run", "embedding", "--table", files.Floats("t", table, 5, 4), "--ids",
            files.Longs("i", [.. ids.Select(i => (long)i)], 2, 3), "--positions",
            files.Floats("p", places, 4, 4), "--segments", files.Floats("s", kinds, 2, 4),
            "--segment-ids", files.Ints("si", segments, 2, 3), "--scale", "2", "--out", files["o"])
            .Succeeded();
        double[] expected = new double[24];
        for (int r = 0; r < 6; r++)
            for (int d = 0; d < 4; d++)
            {
                expected[(r * 4) + d] = (2 * table[(ids[r] * 4) + d]) +
                    places[((r % 3) * 4) + d] + kinds[(segments[r] * 4) + d];
            }

        files.Holds("o", [2, 3, 4], expected);
        CommandLine.Run("run", "embedding", "--table", files["t"], "--ids",
            files.Ints("i", [], 2, 0), "--out", files["o"]).Succeeded();
        files.Holds("o", [2, 0, 4], []);
    }

    [Fact]
    public void Embedding_GathersAnyRank_AndCountsNegativeIdsFromTheEnd()
    {
        double[] table = RunFiles.Random(1, 24);
        CommandLine.Run("run", "embedding", "--table", files.Halves("t", table, 4, 3, 2), "--ids",
            files.Longs("i", [-1, 0, -4, 2], 2, 1, 2), "--out", files["o"]).Succeeded();
        double[] expected = [.. table[18..24], .. table[..6], .. table[..6], .. table[12..18]];
        files.Holds("o", [2, 1, 2, 3, 2], expected, DType.Float16);
        CommandLine.Run("run", "embedding", "--table", files.Floats("t", [5, 6, 7], 3), "--ids",
            files.Ints("i", [-2]), "--out", files["o"]).Succeeded();
        files.Holds("o", [], [6]);
    }

    [Fact]
    public void Embedding_ThatDoesNotFit()
    {
        string table = files.Floats("t", new double[20], 5, 4);
        string ids = files.Ints("i", [0, 5], 2);
        Embed(table, ids).IsBadInput(
            "run embedding: --ids[1] is 5; --table [5, 4] has 5 rows. Use -5 to 4, or give");
        Embed(table, files.Ints("i", [-6, 0], 2)).IsBadInput("--ids[0] is -6");
        ids = files.Ints("i", [0, 1], 2);
        Embed(table, files.Floats("b", [0, 1], 2)).IsBadInput("--ids", "holds Float32");
        Embed(files.Floats("b", [1]), ids).IsBadInput("--table has shape []", "rank 1 or more");
        Embed(files.Floats("b", [], 0, 4), ids).IsBadInput("--table [0, 4] has 0 rows. Give");
        Embed(table, ids, "--positions", files.Floats("b", new double[3], 1, 3)).IsBadInput(
            "--positions has shape [1, 3]; expected a last axis of 4 for --table [5, 4]");
        Embed(table, ids, "--positions", files.Floats("b", new double[4], 1, 4)).IsBadInput(
            "the sequence has 2 tokens; the position table has 1 rows", "Shorten");
        Embed(table, ids, "--segments", files.Floats("b", new double[4], 1, 4)).IsBadInput(
            "--segments and --segment-ids go together");
        Embed(table, ids, "--segments", files["b"], "--segment-ids", files.Ints("k", [0], 1))
            .IsBadInput("--segment-ids has shape [1]; expected [2] as --ids [2]");
        Embed(table, ids, "--segments", files["b"], "--segment-ids", files.Ints("k", [0, 1], 2))
            .IsBadInput("'segmentIds[1]' is 1; expected 0 to 0");
        Embed(table, ids, "--scale", "NaN").IsBadInput("--scale is 'NaN'; expected a finite");

        CommandResult Embed(string vectors, string tokens, params string[] options) =>
            CommandLine.Run(["run", "embedding", "--table", vectors, "--ids", tokens, "--out",
                files["o"], .. options]);
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.25)]
    public void Dropout_IsPhilox(double probability)
    {
        double[] x = [.. Enumerable.Range(1, 50).Select(i => (double)i)];
        CommandLine.Run("run", "dropout", "--x", files.Floats("x", x, 5, 10), "--probability",
            FormattableString.Invariant($"{probability}"), "--seed", "11", "--step", "3",
            "--stream", "2", "--out", files["o"]).Succeeded();
        double[] expected = [.. x.Select((value, i) =>
            Philox.ToUnit(Philox.Word(11, 2, 3, (ulong)i)) < probability
                ? 0 : (double)((float)value * (1f / (1f - (float)probability))))];
        Assert.Equal(expected, files.Read("o", [5, 10]));
        Assert.Equal(probability > 0, expected.Contains(0));
    }

    [Theory]
    [InlineData("1")]
    [InlineData("-0.5")]
    public void Dropout_OfImpossibleProbability(string value) => CommandLine.Run(
        "run", "dropout", "--x", files.Floats("x", [1], 1), "--probability", value, "--out",
        files["o"]).IsBadInput($"Dropout: 'Probability' is {value}", "Use 0 for none");

    [Fact]
    public void AdamW_TakesOneStep()
    {
        double[] p = RunFiles.Random(1, 6), g = RunFiles.Random(2, 6), m = RunFiles.Random(3, 6);
        double[] v = [.. RunFiles.Random(4, 6).Select(Math.Abs)];
        CommandLine.Run("run", "adamw", "--parameter", files.Floats("p", p, 2, 3), "--gradient",
            files.Floats("g", g, 2, 3), "--m", files.Floats("m", m, 2, 3), "--v",
            files.Floats("v", v, 2, 3), "--learning-rate", "0.1", "--beta1", "0.8", "--beta2",
            "0.9", "--epsilon", "1e-6", "--weight-decay", "0.5", "--step", "2", "--out",
            files["o"], "--m-out", files["mo"], "--v-out", files["vo"]).Succeeded();
        double[] first = [.. m.Zip(g, (a, b) => (0.8 * a) + (0.2 * b))];
        double[] second = [.. v.Zip(g, (a, b) => (0.9 * a) + (0.1 * b * b))];
        double[] expected = [.. p.Select((x, i) => (x * (1 - 0.05)) - (0.1 * (first[i] / 0.36) /
            (Math.Sqrt(second[i] / 0.19) + 1e-6)))];
        files.Holds("o", [2, 3], expected);
        files.Holds("mo", [2, 3], first);
        files.Holds("vo", [2, 3], second);
    }

    [Fact]
    public void AdamW_StartsFromZeroMoments_AndRefusesWhatDoesNotFit()
    {
        string p = files.Floats("p", [1, 2], 2), g = files.Floats("g", [0.5, -0.5], 2);
        Step(g, "--weight-decay", "0").Succeeded();
        files.Holds("o", [2], [1 - 1e-3, 2 + 1e-3]);
        Step(files.Floats("b", [1, 2], 1, 2)).IsBadInput(
            "run adamw: --gradient has shape [1, 2]; expected [2] as --parameter [2]");
        Step(g, "--v", files.Floats("b", [1], 1)).IsBadInput("--v has shape [1]; expected [2]");
        Step(g, "--step", "0").IsBadInput("AdamW: 'Step' is 0", "Count the first step as 1");
        Step(g, "--beta1", "1").IsBadInput("AdamW: 'Beta1' is 1");
        Step(g, "--beta2", "NaN").IsBadInput("--beta2 is 'NaN'; expected a finite");
        Step(g, "--epsilon", "-1").IsBadInput("AdamW: 'Epsilon' is -1");
        Step(g, "--learning-rate", "-1").IsBadInput("AdamW: 'LearningRate' is -1");

        CommandResult Step(string gradient, params string[] options) => CommandLine.Run(
            ["run", "adamw", "--parameter", p, "--gradient", gradient, "--out", files["o"],
                .. options]);
    }

    [Fact]
    public void GradientNorm_AndClipScale()
    {
        string g = files.Halves("g", [3, 0, 4, 0], 2, 2);
        Norm("0").Succeeded();
        files.Holds("o", [2], [5, 1]);
        Norm("2").Succeeded();
        files.Holds("o", [2], [5, 2 / (5 + 1e-6)]);
        Norm("-1").IsBadInput("GradientNorm: 'MaxNorm' is -1");
        Norm("NaN").IsBadInput("--max-norm is 'NaN'; expected a finite");
        files.Floats("g", [], 0);
        Norm("2").Succeeded();
        files.Holds("o", [2], [0, 1]);

        CommandResult Norm(string maximum) => CommandLine.Run("run", "gradient-norm",
            "--gradient", g, "--max-norm", maximum, "--out", files["o"]);
    }

    [Fact]
    public void BFloatFiles_NeedTheFlag()
    {
        string x = files.BFloats("x", [1, -2, 3, 0.5], 2, 2);
        CommandLine.Run("run", "layer-norm", "--x", x, "--out", files["o"])
            .IsBadInput("x");
        CommandLine.Run("run", "dropout", "--bf16", "--probability", "0", "--x", x,
            "--out", files["o"]).Succeeded();
        files.Holds("o", [2, 2], [1, -2, 3, 0.5], DType.BFloat16);
    }

    [Fact]
    public void EmptyFiles_OfImpossibleShapes()
    {
        string x = files.Floats("x", [], 1L << 31, 0);
        CommandLine.Run("run", "linear", "--x", x, "--weight", x, "--out", files["o"]).IsBadInput(
            "run linear: --x has shape [2147483648, 0]; expected at most 8 axes", "Cut it");
        x = files.Floats("x", [], 1L << 20, 1 << 20, 0, 4);
        CommandLine.Run("run", "attention", "--q", x, "--k", x, "--v", x, "--out", files["o"])
            .IsBadInput("run attention: --q has shape [1048576, 1048576, 0, 4]", "Cut it");
        x = files.Floats("x", [1], 1, 1, 1, 1, 1, 1, 1, 1, 1);
        CommandLine.Run("run", "gradient-norm", "--gradient", x, "--out", files["o"])
            .IsBadInput("--gradient has shape [1, 1, 1, 1, 1, 1, 1, 1, 1]; expected at most 8");
    }
}
