using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Support;

namespace Transformer.Tests.FusedAttention;

/// <summary>ALiBi, relative bias, sinks and score modifiers against answers worked out by hand.
/// </summary>
public class FusedAttentionTermTests : KernelTest
{
    private static readonly double LogThree = Math.Log(3);

    [Fact]
    public void Alibi_ByHand()
    {
        // Queries are 0: scores are −m·|i + offset − j| alone. Past 1: query 0 stands at key 1.
        AttentionProblem problem = new(this, Silent(2, 2, 4) with
        {
            AlibiSlopes = Real([0.5, 2]), Options = new() { PastLength = 1 },
        });
        Assert.Equal(
            [
                -0.5, 0, -0.5, -1, -1, -0.5, 0, -0.5,
                -2, 0, -2, -4, -4, -2, 0, -2,
            ],
            problem.Scores(ScoreOutput.Masked));
        Assert.Equal(new double[16], problem.Scores(ScoreOutput.Capped));
    }

    [Fact]
    public void Alibi_CountsFromTheCausalOffset()
    {
        // Bottom-right over the lengths 4 and 2: offsets 2 and 0, so −3 and −1 at key 0 of query 1.
        AttentionProblem problem = new(this, Silent(1, 2, 4, batch: 2) with
        {
            AlibiSlopes = Real([1]),
            KeyLengths = Ints(4, 2),
            Options = new() { Causal = CausalAlignment.BottomRight },
        });
        const double hidden = double.NegativeInfinity;
        Assert.Equal(
            [
                -2, -1, 0, hidden, -3, -2, -1, 0,
                0, hidden, hidden, hidden, -1, 0, hidden, hidden,
            ],
            problem.Scores(ScoreOutput.Masked));
    }

    // T5's usual table. Half of 32 buckets for each direction, 8 distances with one each; then
    // 8 + ⌊8·log₁₆(n/8)⌋ = 8 + ⌊2·log₂(n/8)⌋ up to 15: a bucket begins at 8·2^(k/2), that is at
    // 8, 11.3, 16, 22.6, 32, 45.3, 64, 90.5.
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(7, 7)]
    [InlineData(8, 8)]
    [InlineData(11, 8)]
    [InlineData(12, 9)]
    [InlineData(15, 9)]
    [InlineData(16, 10)]
    [InlineData(22, 10)]
    [InlineData(23, 11)]
    [InlineData(31, 11)]
    [InlineData(32, 12)]
    [InlineData(45, 12)]
    [InlineData(46, 13)]
    [InlineData(63, 13)]
    [InlineData(64, 14)]
    [InlineData(90, 14)]
    [InlineData(91, 15)]
    [InlineData(127, 15)]
    [InlineData(128, 15)]
    [InlineData(100_000, 15)]
    public void Buckets_BothWays(int distance, int bucket)
    {
        RelativePositionBuckets buckets = new(32, 128, true);
        Assert.Equal(bucket, buckets.Bucket(-distance));
        Assert.Equal(distance == 0 ? 0 : bucket + 16, buckets.Bucket(distance));
    }

    // Causal: 16 distances with a bucket each, then 16 + ⌊16·log₈(n/16)⌋ up to 31: a bucket begins
    // at 16·2^(3k/16), that is at 16, 18.2, 20.7, 23.6, 26.9, 30.6, 34.9, …, 112.4.
    [Theory]
    [InlineData(0, 0)]
    [InlineData(15, 15)]
    [InlineData(16, 16)]
    [InlineData(18, 16)]
    [InlineData(19, 17)]
    [InlineData(20, 17)]
    [InlineData(21, 18)]
    [InlineData(23, 18)]
    [InlineData(24, 19)]
    [InlineData(30, 20)]
    [InlineData(31, 21)]
    [InlineData(34, 21)]
    [InlineData(35, 22)]
    [InlineData(112, 30)]
    [InlineData(113, 31)]
    [InlineData(128, 31)]
    [InlineData(100_000, 31)]
    public void Buckets_Causal(int distance, int bucket)
    {
        RelativePositionBuckets buckets = new(32, 128, false);
        Assert.Equal(bucket, buckets.Bucket(-distance));
        Assert.Equal(0, buckets.Bucket(distance));
    }

    [Fact]
    public void RelativeBias_ByHand()
    {
        // 4 buckets both ways, 1 distance with one each: 0 → 0, before → 1; after → 3.
        // Query i stands at key i; table [bucket, head].
        AttentionProblem problem = new(this, Silent(2, 2, 3) with
        {
            RelativeBias = Real([1, 10, 2, 20, 3, 30, 4, 40]),
            Options = new() { RelativeBuckets = new(4, 2, true) },
        });
        Assert.Equal([1.0, 4, 4, 2, 1, 4, 10, 40, 40, 20, 10, 40],
            problem.Scores(ScoreOutput.Masked));
    }

    [Fact]
    public void Sinks_ByHand()
    {
        // Scores 0 and ln 3, sink ln 4: weights 1/8 and 3/8, lse ln 8, output 4/8 + 24/8 = 7/2.
        // With dO = 1: dP = [4, 8], δ = 7/2, dS = [1/16, 27/16], d(sink) = −(4/8)·7/2.
        AttentionProblem problem = new(this, TwoKeys() with { Sinks = Real([Math.Log(4)]) });
        Numbers.Close([0.125, 0.375], problem.Scores(ScoreOutput.Probabilities), 1e-15, "weights");
        problem.Forward();
        Numbers.Close([3.5], problem.Output.Values, 1e-15, "output");
        Numbers.Close([Math.Log(8)], problem.LogSumExp.Values, 1e-15, "lse");
        problem.Backward([1]);
        Numbers.Close([27 * LogThree / 16], problem.QueryGradient.Values, 2e-15, "dQ");
        Numbers.Close([1 / 16.0, 27 / 16.0], problem.KeyGradient.Values, 2e-15, "dK");
        Numbers.Close([0.125, 0.375], problem.ValueGradient.Values, 2e-15, "dV");
        Numbers.Close([-1.75], problem.SinkGradient.Values, 2e-15, "d(sink)");
    }

    [Fact]
    public void SinkOfMinusInfinity_IsNone()
    {
        AttentionProblem plain = new(this, TwoKeys());
        AttentionProblem sunk =
            new(this, TwoKeys() with { Sinks = Real([double.NegativeInfinity]) });
        foreach (AttentionProblem problem in new[] { plain, sunk })
        {
            problem.Forward();
            problem.Backward([1]);
        }

        Numbers.Same(plain.Output.Values, sunk.Output.Values, "output");
        Numbers.Same(plain.LogSumExp.Values, sunk.LogSumExp.Values, "lse");
        Numbers.Same(plain.QueryGradient.Values, sunk.QueryGradient.Values, "dQ");
        Assert.Equal([0.0], sunk.SinkGradient.Values);
    }

    [Theory]
    [InlineData("reference")]
    [InlineData("simd")]
    public void BlindRowsWithSinks_GiveZerosAndMinusInfinity(string backend)
    {
        AttentionSizes sizes = new(2, 2, 1, 3, 4, 8, 8);
        AttentionInputs inputs = AttentionProblem.Random(this, sizes, 1, DType.Float32)
            with
        {
            KeyLengths = Ints(0, 4), Sinks = Real([3, -1], DType.Float32),
        };
        AttentionProblem problem = new(
            this, inputs, DType.Float32, BackendRegistry.Find(backend));
        problem.Forward();
        problem.Backward([.. Enumerable.Repeat(1.0, problem.Output.Length)]);
        int half = problem.Output.Length / 2;
        Assert.All(problem.Output.Values[..half], x => Assert.Equal(0, x));
        Assert.All(problem.LogSumExp.Values[..6], x => Assert.Equal(double.NegativeInfinity, x));
        Assert.All(problem.QueryGradient.Values[..half], x => Assert.Equal(0, x));
        Assert.All(problem.LogSumExp.Values[6..], x => Assert.True(double.IsFinite(x)));
        Assert.All(problem.SinkGradient.Values, x => Assert.True(double.IsFinite(x) && x != 0));
    }

    [Fact]
    public void Modifier_SeesCappedScoresAndComesBeforeTheBias()
    {
        // Raw scores 0 and ln 3; cap 2 makes them 0 and 1; the modifier doubles and adds
        // 1 + 10·head + 100·query + 1000·key; bias [0.5, −1].
        AttentionProblem problem = new(this, TwoKeys() with
        {
            Options = new() { Scale = 1, SoftCap = 2 },
            Bias = Real([0.5, -1]),
            BiasLayout = new(0, 0, 0, 2),
            Score = ScoreModifier.Of(new DoubleAndCount()),
        });
        Numbers.Close([1.5, 1002], problem.Scores(ScoreOutput.Masked), 1e-6, "masked");
        Numbers.Close([0, 1], problem.Scores(ScoreOutput.Capped), 1e-6, "capped");
    }

    private readonly struct DoubleAndCount : IScoreModifier
    {
        static bool IScoreModifier.HidesKeys => false;

        public float Apply(float score, int batch, int head, int query, int key) =>
            (2 * score) + 1 + (10000 * batch) + (10 * head) + (100 * query) + (1000 * key);

        public bool IsVisible(int batch, int head, int query, int key) => true;
    }

    /// <summary>Queries of 0, so that scores are what is added to them.</summary>
    private AttentionInputs Silent(int heads, int queries, int keys, int batch = 1) => new()
    {
        Query = Real(new double[batch * heads * queries]),
        Key = Real(Numbers.Normal(2, batch * heads * keys)),
        Value = Real(Numbers.Normal(3, batch * heads * keys)),
        Sizes = new(batch, heads, heads, queries, keys, 1, 1),
    };

    /// <summary>One query 1, keys 0 and ln 3, values 4 and 8, scale 1.</summary>
    private AttentionInputs TwoKeys() => new()
    {
        Query = Real([1]),
        Key = Real([0, LogThree]),
        Value = Real([4, 8]),
        Sizes = new(1, 1, 1, 1, 2, 1, 1),
        Options = new() { Scale = 1 },
    };
}
