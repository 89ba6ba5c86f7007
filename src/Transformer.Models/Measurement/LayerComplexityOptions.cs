using Transformer.Backends;

namespace Transformer.Models.Measurement;

/// <summary>What lets the positions of a sequence see each other.</summary>
public enum SequenceLayer
{
    /// <summary>Every position sees every other: scores, softmax and weighted sum.</summary>
    SelfAttention,

    /// <summary>The same within a neighbourhood.</summary>
    Restricted,

    /// <summary>Long short-term memory as wide as its input, the input's product included.
    /// </summary>
    Recurrent,

    /// <summary>The products for queries, keys, values and output that an attention layer has
    /// besides.</summary>
    Projections,
}

/// <summary>What <see cref="LayerComplexity"/> measures.</summary>
public sealed record LayerComplexityOptions
{
    /// <summary>What the layers run on; null: vectorised on the CPU.</summary>
    public Backend? Backend { get; init; }

    /// <summary>Lengths n, growing.</summary>
    public IReadOnlyList<int> Lengths { get; init; } = [64, 128, 256, 512, 1024, 2048, 4096];

    /// <summary>Widths d, growing; at most 64, or multiples of it.</summary>
    public IReadOnlyList<int> Widths { get; init; } = [64, 128, 256, 512];

    /// <summary>Neighbourhood r of restricted attention, even: half of it on each side.</summary>
    public int Neighbourhood { get; init; } = 64;

    /// <summary>Time for each point; at least three calls are made after one to warm up. Zero: no
    /// warm-up besides, whether it works and not how fast.</summary>
    public TimeSpan Budget { get; init; } = TimeSpan.FromSeconds(0.15);
}

/// <summary>One measured point.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Length">n.</param>
/// <param name="Width">d.</param>
/// <param name="Milliseconds">Median of a forward call.</param>
/// <param name="Operations">Of its products, two for a multiply-add.</param>
public sealed record LayerComplexityRow(
    SequenceLayer Layer, int Length, int Width, double Milliseconds, double Operations);

/// <summary>Where attention begins to cost more than recurrence.</summary>
/// <param name="Width">d.</param>
/// <param name="Alone">Length n of equal time, attention without its projections, as the table of
/// complexities counts it; null: attention costs less at every length measured.</param>
/// <param name="WithProjections">The same with them: a whole layer against a whole layer.</param>
/// <param name="LongestLength">The longest n measured.</param>
public sealed record LayerCrossover(
    int Width, double? Alone, double? WithProjections, int LongestLength)
{
    /// <summary>The crossover of each width.</summary>
    /// <param name="rows">Measured by <see cref="LayerComplexity.Run"/>.</param>
    public static IReadOnlyList<LayerCrossover> Of(IEnumerable<LayerComplexityRow> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        return
        [
            .. rows.GroupBy(row => row.Width).Select(width => new LayerCrossover(
                width.Key, Length(width, 0), Length(width, 1), width.Max(row => row.Length))),
        ];
    }

    /// <summary>The last change from cheaper to dearer attention, between two lengths on straight
    /// lines of logarithms; the shortest length where attention is dearer from there on.</summary>
    private static double? Length(IEnumerable<LayerComplexityRow> width, double projections)
    {
        (double Length, double Ratio)[] points =
        [
            .. width.GroupBy(row => row.Length).OrderBy(n => n.Key).Select(n =>
            {
                double Ms(SequenceLayer layer) => n.Single(row => row.Layer == layer).Milliseconds;
                double attention = Ms(SequenceLayer.SelfAttention) +
                    (projections * Ms(SequenceLayer.Projections));
                return ((double)n.Key, Math.Log(attention / Ms(SequenceLayer.Recurrent)));
            }),
        ];
        int last = Array.FindLastIndex(points, point => point.Ratio <= 0);
        if (last == points.Length - 1) return null;
        if (last < 0) return points[0].Length;
        (double Length, double Ratio) below = points[last], above = points[last + 1];
        double share = below.Ratio / (below.Ratio - above.Ratio);
        return below.Length * Math.Pow(above.Length / below.Length, share);
    }
}
