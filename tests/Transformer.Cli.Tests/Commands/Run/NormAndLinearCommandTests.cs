using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Cli.Tests.Commands.Run;

/// <summary><c>run layer-norm</c>, <c>linear</c> and <c>gelu-ffn</c> against plain loops.</summary>
public sealed class NormAndLinearCommandTests : IDisposable
{
    private readonly RunFiles files = new();

    public void Dispose() => files.Dispose();

    [Theory]
    [InlineData("-1", 5, 12)]
    [InlineData("1", 15, 4)]
    [InlineData("0", 60, 1)]
    [InlineData("-2", 15, 4)]
    public void LayerNorm_NormalisesFromTheAxisOn(string axis, int width, int rows)
    {
        double[] x = RunFiles.Random(1, 60), residual = RunFiles.Random(2, 60);
        double[] scale = RunFiles.Random(3, width), bias = RunFiles.Random(4, width);
        long[] shape = [4, 3, 5], normalised = width == 5 ? [5] : width == 15 ? [3, 5] : shape;
        CommandLine.Run("run", "layer-norm", "--x", files.Floats("x", x, shape), "--residual",
            files.Floats("r", residual, shape), "--scale", files.Floats("s", scale, normalised),
            "--bias", files.Floats("b", bias, normalised), "--axis", axis, "--epsilon", "0.01",
            "--mean-out", files["mean"], "--inv-std-out", files["inv"], "--out", files["o"])
            .Succeeded();
        double[] sum = [.. x.Zip(residual, (a, b) => a + b)];
        (double[] output, double[] means, double[] inverses) = Norm(sum, width, 0.01);
        for (int i = 0; i < output.Length; i++)
            output[i] = (output[i] * scale[i % width]) + bias[i % width];
        long[] statistics = rows == 12 ? [4, 3, 1] : rows == 4 ? [4, 1, 1] : [1, 1, 1];
        files.Holds("o", shape, output);
        files.Holds("mean", statistics, means);
        files.Holds("inv", statistics, inverses);
    }

    [Fact]
    public void LayerNorm_OfHalves_KeepsStatisticsInSingles()
    {
        double[] x = RunFiles.Random(1, 12);
        CommandLine.Run("run", "layer-norm", "--x", files.Halves("x", x, 3, 4), "--mean-out",
            files["mean"], "--out", files["o"]).Succeeded();
        (double[] output, double[] means, _) = Norm(x, 4, 1e-5);
        files.Holds("o", [3, 4], output, DType.Float16);
        files.Holds("mean", [3, 1], means);
        CommandLine.Run("run", "layer-norm", "--x", files.Floats("x", [], 0, 4), "--out",
            files["o"]).Succeeded();
        files.Holds("o", [0, 4], []);
    }

    [Fact]
    public void LayerNorm_ThatDoesNotFit()
    {
        string x = files.Floats("x", new double[12], 3, 4);
        Norm("--axis", "2").IsBadInput("run layer-norm: --axis is 2", "[3, 4]", "Use -2 to 1");
        Norm("--scale", files.Floats("s", new double[3], 3)).IsBadInput(
            "run layer-norm: --scale has shape [3]; expected a shape that broadcasts to --x",
            "[3, 4]");
        Norm("--residual", files.Floats("s", new double[12], 4, 3)).IsBadInput(
            "--residual has shape [4, 3]; expected [3, 4]");
        Norm("--epsilon", "-1").IsBadInput("LayerNorm: 'Epsilon' is -1");
        Norm("--epsilon", "NaN").IsBadInput("--epsilon is 'NaN'; expected a finite");
        files.Floats("x", [], 3, 0);
        Norm().IsBadInput("[3, 0]", "empty", "--axis");
        files.Floats("x", [1]);
        Norm().IsBadInput("--axis is -1", "Give it an axis");

        CommandResult Norm(params string[] options) => CommandLine.Run(
            ["run", "layer-norm", "--x", x, "--out", files["o"], .. options]);
    }

    [Theory]
    [InlineData("none", "simd")]
    [InlineData("relu", "simd")]
    [InlineData("gelu", "reference")]
    [InlineData("gelu-tanh", "simd")]
    public void Linear_OfAnyRank(string activation, string backend)
    {
        double[] x = RunFiles.Random(1, 24), weight = RunFiles.Random(2, 20);
        double[] bias = RunFiles.Random(3, 5);
        CommandLine.Run("run", "linear", "--x", files.Floats("x", x, 2, 3, 4), "--weight",
            files.Floats("w", weight, 5, 4), "--bias", files.Floats("b", bias, 5), "--activation",
            activation, "--backend", backend, "--out", files["o"]).Succeeded();
        files.Holds("o", [2, 3, 5], [.. Product(x, weight, 4, bias).Select(Of(activation))]);
    }

    [Theory]
    [InlineData("relu")]
    [InlineData("gelu")]
    [InlineData("gelu-tanh")]
    public void FeedForward_IsTwoLinearLayers(string activation)
    {
        double[] x = RunFiles.Random(1, 12), weight1 = RunFiles.Random(2, 28);
        double[] weight2 = RunFiles.Random(3, 21);
        double[] bias1 = RunFiles.Random(4, 7), bias2 = RunFiles.Random(5, 3);
        double[] hidden = [.. Product(x, weight1, 4, bias1).Select(Of(activation))];
        string[] arguments = ["run", "gelu-ffn", "--x", files.Floats("x", x, 3, 4), "--weight1",
            files.Floats("w1", weight1, 7, 4), "--bias1", files.Floats("b1", bias1, 7),
            "--weight2", files.Floats("w2", weight2, 3, 7), "--activation", activation, "--out",
            files["o"]];
        CommandLine.Run([.. arguments, "--bias2", files.Floats("b2", bias2, 3)]).Succeeded();
        files.Holds("o", [3, 3], Product(hidden, weight2, 7, bias2));
        CommandLine.Run(arguments).Succeeded();
        files.Holds("o", [3, 3], Product(hidden, weight2, 7, new double[3]));
    }

    [Fact]
    public void Linear_ThatDoesNotFit()
    {
        string x = files.Floats("x", new double[8], 2, 4);
        string w = files.Floats("w", new double[12], 3, 4);
        Linear(x, files.Floats("b", new double[15], 3, 5)).IsBadInput(
            "run linear: --x has shape [2, 4]; expected a last axis of 5 for --weight [3, 5]");
        Linear(x, files.Floats("b", new double[4], 4)).IsBadInput("--weight", "expected rank 2");
        Linear(files.Floats("b", [1]), w).IsBadInput("--x has shape []");
        Linear(x, w, "--bias", files.Floats("b", new double[4], 4)).IsBadInput(
            "--bias has shape [4]; expected [3] for --weight [3, 4]");
        Linear(x, w, "--activation", "sine").IsBadInput("sine");
        Linear(files.Floats("b", [], 2, 0), files.Floats("e", [], 3, 0)).IsBadInput(
            "Linear: 'InputFeatures' is 0");
        CommandLine.Run("run", "gelu-ffn", "--x", x, "--weight1", w, "--weight2", w, "--out",
            files["o"]).IsBadInput("--weight2 has shape [3, 4]", "last axis of 3 for --weight1");
        CommandLine.Run("run", "gelu-ffn", "--x", w, "--weight1", w, "--weight2",
            files.Floats("w2", new double[6], 2, 3), "--activation", "none", "--out", files["o"])
            .IsBadInput("GeluFeedForward: 'Activation' is None", "use Linear");

        CommandResult Linear(string input, string weight, params string[] options) =>
            CommandLine.Run(["run", "linear", "--x", input, "--weight", weight, "--out",
                files["o"], .. options]);
    }

    private static (double[] Output, double[] Means, double[] Inverses) Norm(
        double[] x, int width, double epsilon)
    {
        double[] output = new double[x.Length];
        List<double> means = [], inverses = [];
        for (int row = 0; row < x.Length; row += width)
        {
            double mean = x[row..(row + width)].Average();
            double variance = x[row..(row + width)].Average(v => (v - mean) * (v - mean));
            double inverse = 1 / Math.Sqrt(variance + epsilon);
            for (int i = row; i < row + width; i++) output[i] = (x[i] - mean) * inverse;
            means.Add(mean);
            inverses.Add(inverse);
        }

        return (output, [.. means], [.. inverses]);
    }

    private static double[] Product(double[] x, double[] weight, int inputs, double[] bias)
    {
        int rows = x.Length / inputs, outputs = weight.Length / inputs;
        double[] result = new double[rows * outputs];
        for (int r = 0; r < rows; r++)
            for (int o = 0; o < outputs; o++)
            {
                double sum = bias[o];
                for (int i = 0; i < inputs; i++)
                    sum += x[(r * inputs) + i] * weight[(o * inputs) + i];
                result[(r * outputs) + o] = sum;
            }

        return result;
    }

    private static Func<double, double> Of(string activation) => activation switch
    {
        "relu" => x => Math.Max(x, 0),
        "gelu" => x => x * ScalarMath.NormalCdf(x),
        "gelu-tanh" => x => 0.5 * x * (1 + Math.Tanh(
            Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))),
        _ => x => x,
    };
}
