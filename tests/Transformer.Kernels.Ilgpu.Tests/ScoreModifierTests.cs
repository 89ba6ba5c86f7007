using Transformer.Backends;
using Transformer.Ops;
using Transformer.Samples;
using Transformer.Verification;

namespace Transformer.Kernels.Ilgpu.Tests;

/// <summary>The score modifiers that the README shows on the CPU, compiled into these kernels.
/// </summary>
public sealed class ScoreModifierTests
{
    private static readonly AttentionSizes Sizes = new(2, 4, 2, 37, 53, 20, 12);

    /// <summary>Scores, their exponentials' sum, outputs, deltas, gradients of weights and of
    /// operands: six sums that feed one another, the longest over the queries of two heads.
    /// </summary>
    private static readonly double Bound = Tolerance.Sum(2 * Sizes.QueryLength, 6).Value;

    [Fact]
    public void Alibi_MatchesTheReference() => Matches(new GeometricAlibi(0.25f));

    [Fact]
    public void SoftCap_MatchesTheReference() => Matches(new SoftCapModifier(1.5f));

    [Fact]
    public void SlidingWindow_MatchesTheReference() => Matches(new SlidingWindowMask(9));

    [Fact]
    public void CappedDecay_MatchesTheReference() => Matches(new DistanceDecayModifier(2, 7));

    [Fact]
    public void ModifierWithAnArray_IsRefusedWithTheReason()
    {
        float[] query = new float[1], output = new float[1];
        AttentionSizes one = new(1, 1, 1, 1, 1, 1, 1);
        string message = Assert.Throws<NotSupportedException>(() => Ops.FusedAttention.Forward(
            query, query, query, default, one, default, new AlibiModifier([1], 0), output,
            backend: TestDevice.Backend)).Message;
        Assert.Contains("refers to managed objects", message, StringComparison.Ordinal);
    }

    private static void Matches<TScore>(TScore score)
        where TScore : struct, IDifferentiableScoreModifier
    {
        Problem problem = new();
        Results expected = problem.Run(score, BackendRegistry.Reference);
        Results actual = problem.Run(score, TestDevice.Backend);
        foreach ((string name, float[] one, float[] other) in expected.With(actual))
        {
            double error = Math.Sqrt(one.Zip(other).Sum(p => Math.Pow(p.First - p.Second, 2)));
            double size = Math.Sqrt(one.Sum(x => (double)x * x));
            Assert.True(size > 0, $"{name}: nothing was computed");
            Assert.True(error <= Bound * size, $"{name}: {error / size}, at most {Bound}");
        }
    }

    /// <summary>Random operands.</summary>
    private sealed class Problem
    {
        private readonly float[] query, key, value, outputGradient;

        public Problem()
        {
            Random random = new(3);
            query = Draw(Sizes.QueryHeads * Sizes.QueryLength * Sizes.HeadDimension);
            key = Draw(Sizes.KeyValueHeads * Sizes.KeyLength * Sizes.HeadDimension);
            value = Draw(Sizes.KeyValueHeads * Sizes.KeyLength * Sizes.ValueDimension);
            outputGradient = Draw(Sizes.QueryHeads * Sizes.QueryLength * Sizes.ValueDimension);

            float[] Draw(int count) => [.. Enumerable.Range(0, Sizes.Batch * count)
                .Select(_ => (2 * random.NextSingle()) - 1)];
        }

        public Results Run<TScore>(TScore score, Backend backend)
            where TScore : struct, IDifferentiableScoreModifier
        {
            Results r = new(
                new float[outputGradient.Length],
                new float[Sizes.Batch * Sizes.QueryHeads * Sizes.QueryLength],
                new float[query.Length], new float[key.Length], new float[value.Length]);
            Ops.FusedAttention.Forward<float, TScore>(
                query, key, value, default, Sizes, default, score, r.Output, r.LogSumExp, backend);
            Ops.FusedAttention.Backward<float, TScore>(
                query, key, value, r.Output, r.LogSumExp, outputGradient, default, Sizes, default,
                score, r.QueryGradient, r.KeyGradient, r.ValueGradient, default, backend);
            return r;
        }
    }

    private sealed record Results(
        float[] Output, float[] LogSumExp, float[] QueryGradient, float[] KeyGradient,
        float[] ValueGradient)
    {
        public IEnumerable<(string Name, float[] One, float[] Other)> With(Results other) =>
        [
            ("output", Output, other.Output), ("logSumExp", LogSumExp, other.LogSumExp),
            ("queryGradient", QueryGradient, other.QueryGradient),
            ("keyGradient", KeyGradient, other.KeyGradient),
            ("valueGradient", ValueGradient, other.ValueGradient),
        ];
    }
}

/// <summary>ALiBi with the slopes ratio, ratio², … of the heads, without a table of them.
/// </summary>
internal readonly struct GeometricAlibi(float ratio) : IDifferentiableScoreModifier
{
    static bool IScoreModifier.HidesKeys => false;

    public float Apply(float score, int batch, int head, int query, int key)
    {
        float slope = ratio;
        for (int i = 0; i < head; i++) slope *= ratio;
        int distance = query - key;
        return score - (slope * (distance < 0 ? -distance : distance));
    }

    public bool IsVisible(int batch, int head, int query, int key) => true;

    public float Derivative(float score, int batch, int head, int query, int key) => 1;
}
