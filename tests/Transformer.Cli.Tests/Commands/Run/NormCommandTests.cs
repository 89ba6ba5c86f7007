using Transformer.Tensors;

namespace Transformer.Cli.Tests.Commands.Run;

/// <summary><c>run rms-norm</c>, and what it shares with <c>run layer-norm</c>.</summary>
public sealed class NormCommandTests : IDisposable
{
    private readonly RunFiles files = new();

    public void Dispose() => files.Dispose();

    [Theory]
    [InlineData("-1", 5, "simd")]
    [InlineData("1", 15, "simd")]
    [InlineData("-3", 60, "reference")]
    public void RmsNorm_NormalisesFromTheAxisOn(string axis, int width, string backend)
    {
        double[] x = RunFiles.Random(1, 60), residual = RunFiles.Random(2, 60);
        double[] scale = RunFiles.Random(3, width);
        long[] shape = [4, 3, 5], normalised = width == 5 ? [5] : width == 15 ? [3, 5] : shape;
        CommandLine.Run("run", "rms-norm", "--x", files.Floats("x", x, shape), "--residual",
            files.Floats("r", residual, shape), "--scale", files.Floats("s", scale, normalised),
            "--axis", axis, "--epsilon", "0.01", "--inv-std-out", files["inv"], "--backend",
            backend, "--out", files["o"]).Succeeded();
        double[] sum = [.. x.Zip(residual, (a, b) => a + b)];
        double[] inverses = [.. sum.Chunk(width)
            .Select(row => 1 / Math.Sqrt(row.Average(value => value * value) + 0.01))];
        files.Holds("o", shape,
            [.. sum.Select((value, i) => value * inverses[i / width] * scale[i % width])]);
        files.Holds("inv", width == 5 ? [4, 3, 1] : width == 15 ? [4, 1, 1] : [1, 1, 1], inverses);
    }

    [Fact]
    public void RmsNorm_KeepsTheStorageType()
    {
        double[] x = RunFiles.Random(1, 8);
        double[] expected = [.. x.Chunk(4).SelectMany(row => row.Select(
            value => value / Math.Sqrt(row.Average(v => v * v) + 1e-5)))];
        CommandLine.Run("run", "rms-norm", "--x", files.Halves("x", x, 2, 4), "--inv-std-out",
            files["inv"], "--out", files["o"]).Succeeded();
        files.Holds("o", [2, 4], expected, DType.Float16);
        Assert.Equal(2, files.Read("inv", [2, 1]).Length);
        CommandLine.Run("run", "rms-norm", "--bf16", "--x", files.BFloats("x", x, 2, 4), "--out",
            files["o"]).Succeeded();
        files.Holds("o", [2, 4], expected, DType.BFloat16);
    }

    [Fact]
    public void ScaleAndBias_MayDifferFromRowToRow()
    {
        double[] x = RunFiles.Random(1, 12), scale = [2, 3, 4], bias = [1, -1, 0.5, 0.25];
        CommandLine.Run("run", "layer-norm", "--x", files.Floats("x", x, 3, 4), "--scale",
            files.Floats("s", scale, 3, 1), "--bias", files.Floats("b", bias, 4), "--out",
            files["o"]).Succeeded();
        CommandLine.Run("run", "layer-norm", "--x", files["x"], "--out", files["plain"])
            .Succeeded();
        double[] plain = files.Read("plain", [3, 4]);
        files.Holds("o", [3, 4], [.. plain.Select((v, i) => (v * scale[i / 4]) + bias[i % 4])]);
        CommandLine.Run("run", "rms-norm", "--x", files["x"], "--out", files["plain"]).Succeeded();
        plain = files.Read("plain", [3, 4]);
        CommandLine.Run("run", "rms-norm", "--x", files["x"], "--scale", files["s"], "--out",
            files["o"]).Succeeded();
        files.Holds("o", [3, 4], [.. plain.Select((v, i) => v * scale[i / 4])]);
        CommandLine.Run("run", "rms-norm", "--x", files["x"], "--scale", files.Floats("s", [3]),
            "--out", files["o"]).Succeeded();
        files.Holds("o", [3, 4], [.. plain.Select(v => v * 3)]);
    }

    [Fact]
    public void EpsilonOfZero_IsZero()
    {
        foreach (string op in (string[])["layer-norm", "rms-norm"])
        {
            // Without ε the root is 2⁻¹⁰ itself.
            CommandLine.Run("run", op, "--x", files.Floats("x", [1.0 / 1024, -1.0 / 1024], 2),
                "--epsilon", "0", "--out", files["o"]).Succeeded();
            Assert.Equal([1.0, -1.0], files.Read("o", [2]));
        }
    }

    [Fact]
    public void LayerNorm_OfALargeMean_KeepsItsDigits()
    {
        // 10,000 ± 1: mean and deviations are exact, and so must be their ratio.
        double[] x = [.. Enumerable.Range(0, 700).Select(i => 10000.0 + (i % 7 < 3 ? 1 : -0.75))];
        CommandLine.Run("run", "layer-norm", "--x", files.Floats("x", x, 700), "--out",
            files["o"]).Succeeded();
        double deviation = Math.Sqrt(x.Average(v => (v - 10000) * (v - 10000)) + 1e-5);
        double[] actual = files.Read("o", [700]);
        for (int i = 0; i < 700; i++)
            Assert.Equal((x[i] - 10000) / deviation, actual[i], 2e-7);
    }

    [Fact]
    public void RmsNorm_ThatDoesNotFit()
    {
        string x = files.Floats("x", new double[12], 3, 4);
        Norm("--axis", "-3").IsBadInput("run rms-norm: --axis is -3", "[3, 4]", "Use -2 to 1");
        Norm("--scale", files.Floats("s", new double[8], 2, 4)).IsBadInput(
            "run rms-norm: --scale has shape [2, 4]; expected a shape that broadcasts to --x");
        Norm("--scale", files.Floats("s", new double[12], 1, 3, 4)).IsBadInput("[1, 3, 4]");
        Norm("--residual", files.Floats("s", new double[4], 4)).IsBadInput(
            "--residual has shape [4]; expected [3, 4]");
        Norm("--epsilon", "2").IsBadInput("RmsNorm: 'Epsilon' is 2");
        Norm("--bias", files["s"]).IsBadInput("--bias");
        files.Floats("x", [], 3, 0);
        Norm().IsBadInput("run rms-norm: --x has shape [3, 0]", "--axis");

        CommandResult Norm(params string[] options) => CommandLine.Run(
            ["run", "rms-norm", "--x", x, "--out", files["o"], .. options]);
    }
}
