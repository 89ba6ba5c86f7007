using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tests.Support;
using Kernels = Transformer.Ops;

namespace Transformer.Tests.Sampling;

/// <summary>Draws on both CPU backends: cuts, frequencies, and what cannot be drawn from.</summary>
public class SamplingTests : KernelTest
{
    private const int Draws = 20000;

    public static TheoryData<string> Backends => ["reference", "simd"];

    [Theory]
    [MemberData(nameof(Backends))]
    public void Frequencies_FollowTheProbabilities(string backend)
    {
        // At temperature 2 the ratios are the square roots of 1 : 4 : 16 : 0.
        float[] logits = [0, MathF.Log(4), MathF.Log(16), float.NegativeInfinity];
        int[] counts = Count(logits, new() { Temperature = 2, Seed = 3 }, backend);
        double[] expected = [1 / 7.0, 2 / 7.0, 4 / 7.0];
        Assert.Equal(0, counts[3]);
        for (int token = 0; token < 3; token++)
        {
            // Five standard deviations of a binomial count.
            double deviation = Math.Sqrt(Draws * expected[token] * (1 - expected[token]));
            double excess = counts[token] - (Draws * expected[token]);
            Assert.InRange(excess, -5 * deviation, 5 * deviation);
        }
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void Cuts_LeaveTheMostLikely(string backend)
    {
        // Probabilities 0.1, 0.4, 0.2, 0.3.
        float[] logits = [0, MathF.Log(4), MathF.Log(2), MathF.Log(3)];
        Assert.Equal([1, 3], Drawn(logits, new() { TopK = 2 }, backend));
        Assert.Equal([1, 3], Drawn(logits, new() { TopP = 0.69 }, backend));
        Assert.Equal([1, 2, 3], Drawn(logits, new() { TopP = 0.71 }, backend));
        Assert.Equal([1], Drawn(logits, new() { TopP = 0.39 }, backend));
        Assert.Equal([1], Drawn(logits, new() { TopP = 0 }, backend));
        // Of the two that top-k leaves the first has 4/7.
        Assert.Equal([1], Drawn(logits, new() { TopK = 2, TopP = 0.57 }, backend));
        Assert.Equal([1, 3], Drawn(logits, new() { TopK = 2, TopP = 0.58 }, backend));
        Assert.Equal([0, 1, 2, 3], Drawn(logits, new() { TopK = 9 }, backend));
        Assert.Equal([1], Drawn(logits, new() { Temperature = 0 }, backend));
        // Equal logits: the lower tokens count as more likely.
        Assert.Equal([0, 1], Drawn(new float[5], new() { TopK = 2 }, backend));
        Assert.Equal([0, 1, 2], Drawn(new float[5], new() { TopP = 0.5 }, backend));
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void RowsWithoutATokenToDraw_GiveMinusOne(string backend)
    {
        float none = float.NegativeInfinity;
        float[] logits = [none, none, 1, float.NaN, float.PositiveInfinity, 0, none, 2];
        foreach (double temperature in new[] { 0, 1.0 })
        {
            int[] tokens = new int[4];
            Kernels.Sampling.Forward(logits, new(4, 2), new() { Temperature = temperature },
                tokens, BackendRegistry.Find(backend));
            Assert.Equal([-1, -1, -1, 1], tokens);
        }
    }

    // A row's draw has a number of its own: it does not matter which rows are drawn beside it.
    [Theory]
    [MemberData(nameof(Backends))]
    public void Rows_AreDrawnAsAlone(string backend)
    {
        Backend on = BackendRegistry.Find(backend);
        float[] logits = [.. Enumerable.Range(0, 8 * 50).Select(i => MathF.Sin(i) * 3)];
        DrawOptions options = new() { Seed = 11, First = 100, TopP = 0.95 };
        int[] together = new int[8], alone = new int[1];
        Kernels.Sampling.Forward(logits, new(8, 50), options, together, on);
        for (int row = 0; row < 8; row++)
        {
            Kernels.Sampling.Forward(logits.AsSpan(50 * row, 50), new(1, 50),
                options with { First = 100 + (ulong)row }, alone, on);
            Assert.Equal(alone[0], together[row]);
        }

        Assert.True(together.Distinct().Count() > 3);
    }

    [Fact]
    public void BadOptions_AreRefused()
    {
        Refused(new() { Temperature = -1 }, "Sampling: 'Temperature' is -1; expected");
        Refused(new() { Temperature = double.NaN }, "Sampling: 'Temperature' is NaN; expected");
        Refused(new() { TopK = -1 }, "Sampling: 'TopK' is -1; expected 0 or more.");
        Refused(new() { TopP = 1.1 }, "Sampling: 'TopP' is 1.1; expected");
    }

    private static void Refused(DrawOptions options, string told)
    {
        string message = Assert.Throws<ArgumentException>(
            () => Kernels.Sampling.Forward(new float[3], new(1, 3), options, new int[1])).Message;
        Assert.StartsWith(told, message, StringComparison.Ordinal);
    }

    private static int[] Drawn(float[] logits, DrawOptions options, string backend)
    {
        int[] counts = Count(logits, options, backend);
        return [.. Enumerable.Range(0, counts.Length).Where(token => counts[token] > 0)];
    }

    private static int[] Count(float[] logits, DrawOptions options, string backend)
    {
        float[] rows = [.. Enumerable.Repeat(logits, Draws).SelectMany(row => row)];
        int[] tokens = new int[Draws], counts = new int[logits.Length];
        Kernels.Sampling.Forward(
            rows, new(Draws, logits.Length), options, tokens, BackendRegistry.Find(backend));
        foreach (int token in tokens) counts[token]++;
        return counts;
    }
}
