using Transformer.Ops;

namespace Transformer.Cli.Commands.Bench;

/// <summary>What is doubled from point to point.</summary>
internal enum ScalingAxis
{
    /// <summary>Tokens of a sequence.</summary>
    Length,

    /// <summary>Model width.</summary>
    Width,
}

/// <summary>A curve: one call at sizes of which each is twice the one before.</summary>
/// <param name="Name">As the chart's legend shows it.</param>
/// <param name="Op">The op, as <c>--op</c> takes it.</param>
/// <param name="Axis">What is doubled.</param>
/// <param name="Fixed">The sizes that stay.</param>
/// <param name="Build">Makes the operands of a size.</param>
internal sealed record ScalingSeries(
    string Name, string Op, ScalingAxis Axis, string Fixed, Func<int, ScalingWork> Build)
{
    private const int ShortestLength = 128, LongestLength = 32768;
    private const int NarrowestWidth = 64, WidestWidth = 4096;

    /// <summary>All curves.</summary>
    public static IReadOnlyList<ScalingSeries> All { get; } =
    [
        Attention("attention, full", length => ScalingWork.Attention(length, default)),
        Attention("attention, causal", length => ScalingWork.Attention(length, Causal)),
        Attention("attention, causal, forward and backward",
            length => ScalingWork.AttentionBothWays(length, Causal)),
        Wide("linear, W to W", "Linear", ScalingWork.Linear),
        Wide("feed-forward, W to 4W to W", "GeluFeedForward", ScalingWork.FeedForward),
        Wide("layer norm with residual", "LayerNorm", ScalingWork.LayerNorm),
    ];

    private static AttentionOptions Causal => new() { Causal = CausalAlignment.TopLeft };

    /// <summary>The sizes of the curve's points.</summary>
    /// <param name="quick">Only those that take milliseconds.</param>
    public IEnumerable<int> Sizes(bool quick)
    {
        (int first, int last) = Axis == ScalingAxis.Length
            ? (ShortestLength, LongestLength) : (NarrowestWidth, WidestWidth);
        if (quick) last = 4 * first;
        for (int size = first; size <= last; size *= 2) yield return size;
    }

    private static ScalingSeries Attention(string name, Func<int, ScalingWork> build) =>
        new(name, "FusedAttention", ScalingAxis.Length, ScalingWork.AttentionShape, build);

    private static ScalingSeries Wide(string name, string op, Func<int, ScalingWork> build) =>
        new(name, op, ScalingAxis.Width, ScalingWork.RowsShape, build);
}
