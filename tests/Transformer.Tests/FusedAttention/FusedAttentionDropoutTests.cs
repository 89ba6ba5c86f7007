using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Support;

namespace Transformer.Tests.FusedAttention;

/// <summary>Which weights dropout sets to 0, and how many.</summary>
public class FusedAttentionDropoutTests : KernelTest
{
    private const long Seed = 0x1234_5678_9ABC;
    private const long Step = 0x7_0000_0003;
    private const uint Stream = 21;

    /// <summary>Values are the unit matrix: the output is the weights after dropout.</summary>
    [Theory]
    [InlineData("reference", 0.1)]
    [InlineData("simd", 0.1)]
    [InlineData("simd", 0.5)]
    public void Mask_IsThatOfTheDocumentedCounter(string backend, double probability)
    {
        AttentionSizes s = new(2, 4, 2, 9, 67, 8, 67);
        double[] unit = new double[2 * 2 * 67 * 67];
        for (int i = 0; i < unit.Length; i++) unit[i] = i % (67 * 67) % 68 == 0 ? 1 : 0;
        AttentionInputs inputs = AttentionProblem.Random(this, s, 1, DType.Float32) with
        {
            Value = Real(unit, DType.Float32),
            RandomState = Longs(Seed, Step),
            Options = new() { DropoutProbability = probability, DropoutStream = Stream },
        };
        AttentionProblem problem =
            new(this, inputs, DType.Float32, BackendRegistry.Find(backend));
        double[] weights = problem.Scores(ScoreOutput.Probabilities);
        double[] dropped = problem.Output.Values;

        (uint key0, uint key1, _, _) = Philox.Block(unchecked((uint)Step), (uint)(Step >> 32),
            Stream, 0, unchecked((uint)Seed), (uint)(Seed >> 32));
        for (int index = 0; index < weights.Length; index++)
        {
            (int row, int j) = Math.DivRem(index, 67);
            (int head, int i) = Math.DivRem(row, 9);
            (uint x, uint y, uint z, uint w) =
                Philox.Block((uint)j / 4, (uint)i, (uint)head, 0, key0, key1);
            uint word = (j % 4) switch { 0 => x, 1 => y, 2 => z, _ => w };
            double expected = (word >> 8) / 16777216.0 < (float)probability
                ? 0 : weights[index] / (1 - probability);
            // Exponents down to −12 are rounded by up to 4.8e-7 on each side, the log-sum-exp by
            // 2.4e-7, exponentials, sum and quotient by about 1e-7 each: below 2e-6 of a weight.
            Assert.Equal(expected, dropped[index], 2e-6 * expected);
        }
    }

    // Queries are 0 and values 1: each weight is 1/1000, and an output row is the number of kept
    // weights times 1/(1000·(1 − p)).
    [Theory]
    [InlineData(0.1)]
    [InlineData(0.5)]
    [InlineData(0.9)]
    public void KeptShareOfAMillionWeights_IsOneMinusP_AndTheMeanStays(double probability)
    {
        AttentionSizes s = new(2, 5, 5, 100, 1000, 1, 1);
        AttentionProblem problem = Run(s, probability, Stream);
        double[] kept =
            [.. problem.Output.Values.Select(o => Math.Round(o * 1000 * (1 - probability)))];
        double share = kept.Sum() / 1e6;
        // Five standard deviations of the mean of a million draws: once in two million seeds.
        double deviation = Math.Sqrt(probability * (1 - probability) / 1e6);
        Assert.InRange(share, 1 - probability - (5 * deviation), 1 - probability + (5 * deviation));
        Assert.InRange(problem.Output.Values.Average(), 1 - (5 * deviation / (1 - probability)),
            1 + (5 * deviation / (1 - probability)));
        // Rows are independent: the variance of their counts is 1000·p·(1 − p), its own standard
        // deviation over 1000 rows being √(2/1000) of that.
        double mean = kept.Average();
        double variance = kept.Average(k => (k - mean) * (k - mean));
        Assert.InRange(variance / (1000 * probability * (1 - probability)),
            1 - (5 * Math.Sqrt(0.002)), 1 + (5 * Math.Sqrt(0.002)));
    }

    [Fact]
    public void StreamsStepsAndSeeds_DropDifferentWeights()
    {
        AttentionSizes s = new(1, 1, 1, 40, 200, 1, 1);
        double[][] results =
        [
            Run(s, 0.5, 0).Output.Values, Run(s, 0.5, 1).Output.Values,
            Run(s, 0.5, 0, seed: 1).Output.Values, Run(s, 0.5, 0, step: 1).Output.Values,
        ];
        Numbers.Same(results[0], Run(s, 0.5, 0).Output.Values, "again");
        for (int a = 0; a < results.Length; a++)
        for (int b = 0; b < a; b++)
        {
            // Forty pairs of counts, each equal with a chance of 1/√(4π·50) = 4 %.
            int equal = results[a].Zip(results[b]).Count(pair => pair.First == pair.Second);
            Assert.InRange(equal, 0, 12);
        }
    }

    private AttentionProblem Run(
        AttentionSizes s, double probability, uint stream, long seed = Seed, long step = Step)
    {
        AttentionInputs inputs = AttentionProblem.Random(this, s, 1, DType.Float32) with
        {
            Query = Real(new double[s.Batch * s.QueryHeads * s.QueryLength], DType.Float32),
            Value = Real([.. Enumerable.Repeat(1.0, s.Batch * s.KeyValueHeads * s.KeyLength)],
                DType.Float32),
            RandomState = Longs(seed, step),
            Options = new() { DropoutProbability = probability, DropoutStream = stream },
        };
        AttentionProblem problem = new(this, inputs, DType.Float32, BackendRegistry.Cpu);
        problem.Forward();
        return problem;
    }
}
