using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Cli.Tests.Commands.Run;

/// <summary><c>run softmax</c>, <c>log-softmax</c>, <c>gelu</c> and <c>rotary</c> against plain
/// loops.</summary>
public sealed class SoftmaxCommandTests : IDisposable
{
    private const double Infinity = double.PositiveInfinity;

    private readonly RunFiles files = new();

    public void Dispose() => files.Dispose();

    [Theory]
    [InlineData("-1", 1, "simd")]
    [InlineData("1", 4, "simd")]
    [InlineData("0", 20, "simd")]
    [InlineData("-2", 4, "reference")]
    public void Softmax_OverTheAxis(string axis, int inner, string backend)
    {
        long[] shape = [3, 5, 4];
        int length = inner == 1 ? 4 : inner == 4 ? 5 : 3;
        double[] x = RunFiles.Random(1, 60), softmax = new double[60], logs = new double[60];
        for (int i = 0; i < 60; i++)
        {
            int first = (i / (length * inner) * length * inner) + (i % inner);
            double sum = 0;
            for (int l = 0; l < length; l++) sum += Math.Exp(x[first + (l * inner)]);
            softmax[i] = Math.Exp(x[i]) / sum;
            logs[i] = x[i] - Math.Log(sum);
        }

        Run("softmax", files.Floats("x", x, shape), "--axis", axis, "--backend", backend);
        files.Holds("o", shape, softmax);
        Run("log-softmax", files["x"], "--axis", axis, "--backend", backend);
        files.Holds("o", shape, logs);
        Run("softmax", files.BFloats("x", x, shape), "--bf16", "--axis", axis);
        files.Holds("o", shape, softmax, DType.BFloat16);
        Run("log-softmax", files.Halves("x", x, shape), "--axis", axis);
        files.Holds("o", shape, logs, DType.Float16);
    }

    [Theory]
    [InlineData("simd")]
    [InlineData("reference")]
    public void Softmax_OfNothingToSee_IsNaN_AsInOnnx(string backend)
    {
        double[] x = [-Infinity, -Infinity, -Infinity, 2, Infinity, 2, double.NaN, 2];
        Run("softmax", files.Floats("x", x, 4, 2), "--backend", backend);
        double nan = double.NaN;
        files.Holds("o", [4, 2], [nan, nan, 0, 1, nan, nan, nan, nan]);
        Run("log-softmax", files["x"], "--backend", backend);
        files.Holds("o", [4, 2], [nan, nan, -Infinity, 0, nan, nan, nan, nan]);
    }

    [Fact]
    public void Softmax_OfEmptyTensors_AndAxesThatAreNot()
    {
        Run("softmax", files.Floats("x", [], 2, 0), "--axis", "0");
        files.Holds("o", [2, 0], []);
        Run("log-softmax", files["x"], "--axis", "1");
        files.Holds("o", [2, 0], []);
        CommandLine.Run("run", "softmax", "--x", files["x"], "--axis", "2", "--out", files["o"])
            .IsBadInput("run softmax: --axis is 2; --x has shape [2, 0]. Use -2 to 1.");
        CommandLine.Run("run", "log-softmax", "--x", files.Floats("x", [1]), "--out", files["o"])
            .IsBadInput("run log-softmax: --axis is -1; --x has shape []. Give it an axis.");
    }

    [Theory]
    [InlineData("none")]
    [InlineData("tanh")]
    public void Gelu_OfAnyRank(string approximation)
    {
        double[] x = [.. RunFiles.Random(1, 34), 10000, -10000];
        double[] expected = [.. x.Select(value => approximation == "none"
            ? value * ScalarMath.NormalCdf(value)
            : 0.5 * value * (1 + Math.Tanh(
                Math.Sqrt(2 / Math.PI) * (value + (0.044715 * value * value * value)))))];
        string[] option = ["--approximation", approximation];
        Run("gelu", files.Floats("x", x, 3, 12), option);
        // 10,000 is itself, to the last digit of binary32.
        files.Holds("o", [3, 12], expected);
        Run("gelu", files.BFloats("x", x[..34], 34), ["--bf16", .. option]);
        files.Holds("o", [34], expected[..34], DType.BFloat16);
        Run("gelu", files.Floats("x", [1]), option);
        Assert.Equal(approximation == "none" ? 0.8413447 : 0.8411920,
            files.Read("o", []).Single(), 1e-6);
        CommandLine.Run("run", "gelu", "--x", files["x"], "--approximation", "erf", "--out",
            files["o"]).IsBadInput("erf");
    }

    [Fact]
    public void Rotary_TurnsPairs_InRankThreeAndFour()
    {
        // A quarter turn, then none: (a, b) becomes (−b, a), then stays.
        string cos = files.Floats("c", [1, 0], 2, 1), sin = files.Floats("s", [0, 1], 2, 1);
        string positions = files.Longs("p", [1, 0], 1, 2);
        string x = files.Floats("x", [1, 2, 3, 4, 5, 6], 1, 1, 2, 3);
        Run("rotary", x, "--cos", cos, "--sin", sin, "--positions", positions, "--rotary-dim",
            "2");
        files.Holds("o", [1, 1, 2, 3], [-2, 1, 3, 4, 5, 6]);
        Run("rotary", x, "--cos", cos, "--sin", sin, "--rotary-dim", "2");
        files.Holds("o", [1, 1, 2, 3], [1, 2, 3, -5, 4, 6]);

        // Four elements: pairs (0, 1) and (2, 3), or (0, 2) and (1, 3); the second stays.
        cos = files.Floats("c", [0, 1], 1, 1, 2);
        sin = files.Floats("s", [1, 0], 1, 1, 2);
        x = files.Floats("x", [1, 2, 3, 4, 5, 6, 7, 8], 1, 1, 8);
        Run("rotary", x, "--cos", cos, "--sin", sin, "--heads", "2", "--interleaved");
        files.Holds("o", [1, 1, 8], [-2, 1, 3, 4, -6, 5, 7, 8]);
        Run("rotary", x, "--cos", cos, "--sin", sin, "--heads", "2");
        files.Holds("o", [1, 1, 8], [-3, 2, 1, 4, -7, 6, 5, 8]);
    }

    [Fact]
    public void Rotary_ThatDoesNotFit()
    {
        string cos = files.Floats("c", [1, 1], 2, 1), sin = files.Floats("s", [0, 0], 2, 1);
        string x = files.Floats("x", new double[8], 1, 2, 2, 2);
        Turn(x, "--heads", "3").IsBadInput("run rotary: --x has shape [1, 2, 2, 2], 2 heads");
        Turn(x, "--rotary-dim", "4").IsBadInput("run rotary: --cos has shape [2, 1]", "of 2");
        Turn(x, "--rotary-dim", "3").IsBadInput("RotaryEmbedding: 'RotaryDimension' is 3");
        Turn(x, "--positions", files.Ints("p", [0, 2], 1, 2)).IsBadInput(
            "RotaryEmbedding: 'positionIds[1]' is 2; expected 0 to 1");
        Turn(x, "--positions", files.Ints("p", [0, 0, 0], 1, 3)).IsBadInput(
            "--positions has shape [1, 3]; expected [1, 2]");
        Turn(files.Floats("x", new double[8], 1, 2, 4)).IsBadInput(
            "run rotary: --x has shape [1, 2, 4] and --heads is missing");
        Turn(files["x"], "--heads", "3").IsBadInput("4 must be a multiple of it");
        Turn(files.Floats("x", new double[8], 8)).IsBadInput("--x has shape [8]; expected rank");
        files.Floats("s", [0], 1, 1);
        Turn(files.Floats("x", new double[8], 1, 2, 4), "--heads", "2").IsBadInput(
            "--sin has shape [1, 1]; expected [2, 1]");

        CommandResult Turn(string input, params string[] options) => CommandLine.Run(
            ["run", "rotary", "--x", input, "--cos", cos, "--sin", sin, "--out", files["o"],
                .. options]);
    }

    private void Run(string op, string x, params string[] options) => CommandLine.Run(
        ["run", op, "--x", x, "--out", files["o"], .. options]).Succeeded();
}
