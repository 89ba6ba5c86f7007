using Transformer.Ops;
using Transformer.Tests.Support;

namespace Transformer.Tests.FusedAttention;

/// <summary>Which keys a query sees, drawn by hand: one string a query, x = visible.</summary>
public class FusedAttentionVisibilityTests : KernelTest
{
    private const int Unbounded = -1;

    [Theory]
    [InlineData(CausalAlignment.TopLeft, 0, "x....", "xx...", "xxx..")]
    [InlineData(CausalAlignment.BottomRight, 0, "xxx..", "xxxx.", "xxxxx")]
    [InlineData(CausalAlignment.Past, 0, "x....", "xx...", "xxx..")]
    [InlineData(CausalAlignment.Past, 1, "xx...", "xxx..", "xxxx.")]
    [InlineData(CausalAlignment.Past, 9, "xxxxx", "xxxxx", "xxxxx")]
    public void Causal(CausalAlignment causal, int past, params string[] expected) =>
        Sees(expected, new() { Causal = causal, PastLength = past });

    [Theory]
    [InlineData("...", "x..", "xx.", "xxx")]
    public void BottomRight_WithMoreQueriesThanKeysHasEmptyRows(params string[] expected) =>
        Sees(expected, new() { Causal = CausalAlignment.BottomRight });

    [Theory]
    [InlineData(5, "xxx..", "xxxx.", "xxxxx")]
    [InlineData(3, "x....", "xx...", "xxx..")]
    [InlineData(2, ".....", "x....", "xx...")]
    [InlineData(1, ".....", ".....", "x....")]
    [InlineData(0, ".....", ".....", ".....")]
    public void BottomRight_IsAlignedToTheKeyLength(int keyLength, params string[] expected) =>
        Sees(expected, new() { Causal = CausalAlignment.BottomRight }, keyLength);

    [Theory]
    [InlineData(5, "xxxxx")]
    [InlineData(2, "xx...")]
    [InlineData(0, ".....")]
    public void KeyLengths_HideThePadding(int keyLength, params string[] expected) =>
        Sees(expected, default, keyLength);

    [Theory]
    [InlineData(1, 0, "x....", "xx...", ".xx..")]
    [InlineData(0, 0, "x....", ".x...", "..x..")]
    [InlineData(0, 1, "xx...", ".xx..", "..xx.")]
    [InlineData(Unbounded, 1, "xx...", "xxx..", "xxxx.")]
    [InlineData(1, Unbounded, "xxxxx", "xxxxx", ".xxxx")]
    [InlineData(Unbounded, Unbounded, "xxxxx", "xxxxx", "xxxxx")]
    [InlineData(int.MaxValue, int.MaxValue, "xxxxx", "xxxxx", "xxxxx")]
    public void Window_WithoutCausal(int left, int right, params string[] expected) =>
        Sees(expected, new() { Window = new(left, right) });

    [Theory]
    [InlineData(2, Unbounded, "xxx..", ".xxx.", "..xxx")]
    [InlineData(0, 2, "..x..", "...x.", "....x")]
    public void Window_WithBottomRightCausal(int left, int right, params string[] expected) => Sees(
        expected,
        new() { Causal = CausalAlignment.BottomRight, Window = new(left, right) });

    [Theory]
    [InlineData(2, ".....", "x....", "xx...")]
    [InlineData(1, ".....", ".....", "x....")]
    public void Window_WithANegativeOffset(int keyLength, params string[] expected) => Sees(
        expected,
        new() { Causal = CausalAlignment.BottomRight, Window = new(1, 0) }, keyLength);

    [Fact]
    public void Window_AfterAPast() => Sees(
        [".xx..", "..xx.", "...xx"],
        new() { Causal = CausalAlignment.Past, PastLength = 2, Window = new(1, 0) });

    [Fact]
    public void Mask_BroadcastsAndHidesMissingKeys()
    {
        // Mask of shape [2, 1, 3]: per query head, the same for both queries, three of four keys.
        AttentionSizes sizes = new(1, 2, 1, 2, 4, 1, 1);
        AttentionProblem problem = new(this, AttentionProblem.Random(this, sizes) with
        {
            Mask = Bools(true, false, true, false, true, true),
            MaskLayout = AttentionMaskLayout.FromShape(new(2, 1, 3), sizes),
        });
        Assert.Equal(["x.x.", "x.x.", ".xx.", ".xx."], Pattern(problem, sizes.KeyLength));
    }

    [Fact]
    public void Everything_Intersects()
    {
        AttentionSizes sizes = new(2, 1, 1, 3, 5, 1, 1);
        AttentionProblem problem = new(this, AttentionProblem.Random(this, sizes) with
        {
            KeyLengths = Ints(5, 4),
            Mask = Bools(false, true, true, true, true),
            MaskLayout = new(0, 0, 0, 5),
            Bias = Real([0, 0, double.NegativeInfinity, 0]),
            BiasLayout = new(0, 0, 0, 4),
            Options = new() { Causal = CausalAlignment.BottomRight, Window = new(3, 0) },
        });
        // Causal and window: 0–2, 0–3, 1–4, then (length 4) 0–1, 0–2, 0–3; the mask hides key 0,
        // the bias keys 2 and 4.
        Assert.Equal(
            [".x...", ".x.x.", ".x.x.", ".x...", ".x...", ".x.x."],
            Pattern(problem, sizes.KeyLength));
    }

    private void Sees(string[] expected, AttentionOptions options, int? keyLength = null)
    {
        AttentionSizes sizes = new(1, 1, 1, expected.Length, expected[0].Length, 2, 2);
        AttentionProblem problem = new(this, AttentionProblem.Random(this, sizes) with
        {
            Options = options,
            KeyLengths = keyLength is { } length ? Ints(length) : null,
        });
        Assert.Equal(expected, Pattern(problem, sizes.KeyLength));
    }

    private static string[] Pattern(AttentionProblem problem, int keys)
    {
        double[] weights = problem.Scores(ScoreOutput.Probabilities);
        double[] masked = problem.Scores(ScoreOutput.Masked);
        string[] rows = [.. weights.Chunk(keys).Select(row =>
            string.Concat(row.Select(w => w > 0 ? 'x' : '.')))];
        Assert.Equal(rows, masked.Chunk(keys).Select(row =>
            string.Concat(row.Select(s => double.IsNegativeInfinity(s) ? '.' : 'x'))));

        // Empty rows: zeros, −∞ and no gradient; all others have weights that sum to 1.
        problem.Backward([.. Enumerable.Repeat(1.0, problem.Output.Length)]);
        int width = problem.Output.Length / rows.Length;
        for (int r = 0; r < rows.Length; r++)
        {
            bool empty = !rows[r].Contains('x');
            Assert.Equal(empty, double.IsNegativeInfinity(problem.LogSumExp[r]));
            Assert.Equal(empty ? 0 : 1, weights[(r * keys)..((r + 1) * keys)].Sum(), 14);
            Assert.Equal(empty, problem.Output.Values[(r * width)..((r + 1) * width)]
                .All(x => x == 0));
        }

        Assert.DoesNotContain(problem.QueryGradient.Values, double.IsNaN);
        return rows;
    }
}
