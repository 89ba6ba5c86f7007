namespace Transformer.Cli.Tests.Commands.Run;

/// <summary><c>run attention</c> without <c>--backend</c>: exact where that costs no time.
/// </summary>
public sealed class AttentionPrecisionTests : IDisposable
{
    private readonly RunFiles files = new();

    public void Dispose() => files.Dispose();

    /// <summary>Scores of up to about 35, whose rounding alone moves an output by 2e-6.</summary>
    [Fact]
    public void LargeScores_AreAnsweredTo1e5()
    {
        const int queries = 64, keys = 96, width = 64;
        double[] q = Gaussian(1, queries * width), k = Gaussian(2, keys * width);
        double[] v = Gaussian(3, keys * width);
        Run(q, k, v, width, "o", "--scale", "1");
        double[] actual = files.Read("o", [1, 1, queries, width]);
        double[] weights = new double[keys];
        for (int i = 0; i < queries; i++)
        {
            for (int j = 0; j < keys; j++)
            {
                double score = 0;
                for (int d = 0; d < width; d++) score += q[(i * width) + d] * k[(j * width) + d];
                weights[j] = score;
            }

            double largest = weights.Max();
            for (int j = 0; j < keys; j++) weights[j] = Math.Exp(weights[j] - largest);
            double total = weights.Sum();
            for (int d = 0; d < width; d++)
            {
                double expected = 0;
                for (int j = 0; j < keys; j++) expected += weights[j] * v[(j * width) + d];
                expected /= total;
                Assert.InRange(Math.Abs(actual[(i * width) + d] - expected), 0,
                    1e-6 + (1e-5 * Math.Abs(expected)));
            }
        }
    }

    [Theory]
    [InlineData(1 << 10, "reference")] // 2^28 multiply-adds
    [InlineData((1 << 10) + 1, "simd")]
    public void Work_DecidesWhereNobodyDoes(int keys, string backend)
    {
        const int queries = 1 << 11, width = 64;
        double[] q = Gaussian(1, queries * width), k = Gaussian(2, keys * width);
        Run(q, k, k, width, "unnamed");
        Run(q, k, k, width, "named", "--backend", backend);
        Run(q, k, k, width, "other", "--backend", backend == "simd" ? "reference" : "simd");
        byte[] unnamed = File.ReadAllBytes(files["unnamed"]);
        Assert.Equal(File.ReadAllBytes(files["named"]), unnamed);
        Assert.NotEqual(File.ReadAllBytes(files["other"]), unnamed);
    }

    private void Run(
        double[] q, double[] k, double[] v, int width, string output, params string[] options) =>
        CommandLine.Run(
            ["run", "attention",
                "--q", files.Floats("q", q, 1, 1, q.Length / width, width),
                "--k", files.Floats("k", k, 1, 1, k.Length / width, width),
                "--v", files.Floats("v", v, 1, 1, v.Length / width, width),
                "--out", files[output], .. options]).Succeeded();

    /// <summary>N(0, 1), rounded to binary32.</summary>
    private static double[] Gaussian(int seed, int count)
    {
        Random random = new(seed);
        double[] values = new double[count];
        for (int i = 0; i < count; i++)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            values[i] = (float)(radius * Math.Cos(2 * Math.PI * random.NextDouble()));
        }

        return values;
    }
}
