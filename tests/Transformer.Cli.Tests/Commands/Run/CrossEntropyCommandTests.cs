using Transformer.Tensors;

namespace Transformer.Cli.Tests.Commands.Run;

/// <summary><c>run cross-entropy</c> against plain loops; classes lie on axis 1.</summary>
public sealed class CrossEntropyCommandTests : IDisposable
{
    private const int Batch = 2, Classes = 4, Inner = 3, Ignored = -7;

    private static readonly double[] Scores = RunFiles.Random(1, Batch * Classes * Inner);
    private static readonly int[] Labels = [0, 3, Ignored, 1, 2, 2];

    private readonly RunFiles files = new();

    public void Dispose() => files.Dispose();

    [Theory]
    [InlineData("none", 0, "simd")]
    [InlineData("mean", 0, "simd")]
    [InlineData("sum", 0, "reference")]
    [InlineData("none", 0.25, "simd")]
    [InlineData("mean", 0.25, "reference")]
    [InlineData("sum", 1, "simd")]
    public void RankThree(string reduction, double smoothing, string backend)
    {
        (double[] losses, double[] logs) = Expected(smoothing, Ignored);
        CommandLine.Run("run", "cross-entropy", "--scores",
            files.Floats("s", Scores, Batch, Classes, Inner), "--labels",
            files.Ints("l", Labels, Batch, Inner), "--ignore-index", $"{Ignored}",
            "--reduction", reduction, "--label-smoothing", FormattableString.Invariant(
                $"{smoothing}"), "--log-prob-out", files["p"], "--backend", backend, "--out",
            files["o"]).Succeeded();
        files.Holds("p", [Batch, Classes, Inner], logs);
        switch (reduction)
        {
            case "none":
                files.Holds("o", [Batch, Inner], losses);
                break;
            case "mean":
                files.Holds("o", [], [losses.Sum() / 5]);
                break;
            default:
                files.Holds("o", [], [losses.Sum()]);
                break;
        }
    }

    [Fact]
    public void RankTwo_WithLongLabels()
    {
        double[] scores = [1, 2, 3, 0.5, 0.25, -1];
        CommandLine.Run("run", "cross-entropy", "--scores", files.Halves("s", scores, 2, 3),
            "--labels", files.Longs("l", [2, 0], 2), "--reduction", "none", "--out", files["o"])
            .Succeeded();
        double[] losses = [
            Math.Log(Math.Exp(1) + Math.Exp(2) + Math.Exp(3)) - 3,
            Math.Log(Math.Exp(0.5) + Math.Exp(0.25) + Math.Exp(-1)) - 0.5,
        ];
        files.Holds("o", [2], losses, DType.Float16);
    }

    [Fact]
    public void MeanOfNothing_IsNaN_AsInOnnx()
    {
        CommandLine.Run("run", "cross-entropy", "--scores", files.Floats("s", [1, 2], 1, 2),
            "--labels", files.Ints("l", [-1], 1), "--ignore-index", "-1", "--out", files["o"])
            .Succeeded();
        files.Holds("o", [], [double.NaN]);
        CommandLine.Run("run", "cross-entropy", "--scores", files["s"], "--labels", files["l"],
            "--ignore-index", "-1", "--reduction", "sum", "--out", files["o"]).Succeeded();
        files.Holds("o", [], [0]);
        CommandLine.Run("run", "nll-loss", "--scores", files["s"], "--labels",
            files.Ints("l", [1], 1), "--weights", files.Floats("w", [1, 0], 2), "--out",
            files["o"]).Succeeded();
        files.Holds("o", [], [double.NaN]);
        CommandLine.Run("run", "cross-entropy", "--scores", files.Floats("s", [], 0, 2),
            "--labels", files.Ints("l", [], 0), "--log-prob-out", files["p"], "--out", files["o"])
            .Succeeded();
        files.Holds("o", [], [double.NaN]);
        files.Holds("p", [0, 2], []);
    }

    [Theory]
    [InlineData("none", "simd")]
    [InlineData("mean", "simd")]
    [InlineData("mean", "reference")]
    [InlineData("sum", "reference")]
    public void Weights_MultiplyTheirLabelsLosses(string reduction, string backend)
    {
        double[] weights = [0.5, 2, 1.25, 0.75];
        (double[] losses, double[] logs) = Expected(0, Ignored);
        double total = 0;
        for (int i = 0; i < losses.Length; i++)
        {
            if (Labels[i] == Ignored) continue;
            losses[i] *= weights[Labels[i]];
            total += weights[Labels[i]];
        }

        string[] options = ["--labels", files.Ints("l", Labels, Batch, Inner), "--weights",
            files.Floats("w", weights, Classes), "--ignore-index", $"{Ignored}", "--reduction",
            reduction, "--backend", backend, "--out", files["o"]];
        string scores = files.Floats("s", Scores, Batch, Classes, Inner);
        CommandLine.Run(["run", "cross-entropy", "--scores", scores, .. options]).Succeeded();
        Holds();
        string known = files.Floats("p", logs, Batch, Classes, Inner);
        CommandLine.Run(["run", "nll-loss", "--scores", known, .. options]).Succeeded();
        Holds();

        void Holds() => files.Holds("o", reduction == "none" ? [Batch, Inner] : [],
            reduction == "none" ? losses
                : [reduction == "sum" ? losses.Sum() : losses.Sum() / total]);
    }

    [Fact]
    public void ThatDoesNotFit()
    {
        CommandLine.Run("run", "nll-loss", "--scores", Zeros(2, 3), "--labels",
            files.Ints("l", [0, 3], 2), "--out", files["o"]).IsBadInput(
            "NegativeLogLikelihood: 'labels[1]' is 3; expected 0 to 2");
        CommandLine.Run("run", "nll-loss", "--scores", Zeros(2, 3), "--labels",
            files.Ints("l", [0, 1], 2), "--weights", files.Floats("w", [1, 1], 2), "--out",
            files["o"]).IsBadInput(
            "run nll-loss: --weights has shape [2]; expected [3] for the classes of --scores");
        Run(Zeros(2, 3), [0], 1).IsBadInput(
            "run cross-entropy: --labels has shape [1]; --scores [2, 3] expects");
        Run(Zeros(2, 3, 4), [0, 0, 0, 0, 0, 0], 2, 3).IsBadInput("without its class axis 1");
        Run(Zeros(6), [0], 1).IsBadInput("--scores [6]");
        Run(Zeros(2, 3), [0, 3], 2).IsBadInput(
            "SoftmaxCrossEntropy: 'labels[1]' is 3; expected 0 to 2", "'IgnoreIndex'");
        Run(Zeros(2, 3), [-1, 0], 2).IsBadInput("'labels[0]' is -1");
        Run(files.Floats("s", [], 2, 0), [0, 0], 2).IsBadInput("'Classes' is 0");
        Smoothed("2").IsBadInput("SoftmaxCrossEntropy: 'LabelSmoothing' is 2; expected");
        Smoothed("NaN").IsBadInput("--label-smoothing is 'NaN'; expected a");
        CommandLine.Run("run", "cross-entropy", "--scores", Zeros(2, 3), "--labels",
            files.Floats("l", [0, 0], 2), "--out", files["o"]).IsBadInput(
            "--labels", "holds Float32", "expected Int32 or Int64");

        CommandResult Smoothed(string value) => CommandLine.Run("run", "cross-entropy",
            "--scores", Zeros(1, 3), "--labels", files.Ints("l", [0], 1), "--label-smoothing",
            value, "--out", files["o"]);
    }

    private static (double[] Losses, double[] Logs) Expected(double smoothing, int ignored)
    {
        double[] losses = new double[Batch * Inner], logs = new double[Scores.Length];
        for (int n = 0; n < Batch; n++)
            for (int t = 0; t < Inner; t++)
            {
                double sum = 0;
                for (int c = 0; c < Classes; c++) sum += Math.Exp(Scores[At(n, c, t)]);
                double average = 0;
                for (int c = 0; c < Classes; c++)
                {
                    logs[At(n, c, t)] = Scores[At(n, c, t)] - Math.Log(sum);
                    average += logs[At(n, c, t)] / Classes;
                }

                int label = Labels[(n * Inner) + t];
                if (label == ignored) continue;
                losses[(n * Inner) + t] =
                    -((1 - smoothing) * logs[At(n, label, t)]) - (smoothing * average);
            }

        return (losses, logs);
    }

    private static int At(int n, int c, int t) => (((n * Classes) + c) * Inner) + t;

    private string Zeros(params long[] shape) =>
        files.Floats("s", new double[shape.Aggregate((a, b) => a * b)], shape);

    private CommandResult Run(string scores, int[] labels, params long[] shape) =>
        CommandLine.Run("run", "cross-entropy", "--scores", scores, "--labels",
            files.Ints("l", labels, shape), "--out", files["o"]);
}
