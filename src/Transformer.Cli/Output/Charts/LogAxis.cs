using System.Globalization;

namespace Transformer.Cli.Output.Charts;

/// <summary>A logarithmic axis: values to pixels, and the ticks between its ends.</summary>
/// <param name="Title">What it shows, with its unit.</param>
/// <param name="Low">Value at its beginning, above 0.</param>
/// <param name="High">Value at its end.</param>
internal sealed record LogAxis(string Title, double Low, double High)
{
    private const int MostTicks = 10;

    /// <summary>Ticks at powers of two, else of ten.</summary>
    public bool IsBinary { get; init; }

    /// <summary>An axis that holds the values with some room at both ends.</summary>
    /// <param name="title">What it shows, with its unit.</param>
    /// <param name="values">Values above 0; others are left out.</param>
    /// <param name="binary">Ticks at powers of two.</param>
    public static LogAxis Around(string title, IEnumerable<double> values, bool binary = false)
    {
        double[] positive = [.. values.Where(v => v > 0 && double.IsFinite(v))];
        (double low, double high) =
            positive.Length > 0 ? (positive.Min(), positive.Max()) : (1, 10);
        // A tick next to the corner moves up, so that its label is not beside the other axis's.
        double room = binary ? Math.Sqrt(2) : 1.6;
        LogAxis axis = new(title, low / room, high * room) { IsBinary = binary };
        return axis.Ticks() is [double first, ..] && axis.Share(first) is > 0 and < 0.04
            ? axis with { Low = first / room } : axis;
    }

    /// <summary>Where a value lies, from 0 at the beginning to 1 at the end.</summary>
    public double Share(double value) =>
        Math.Log(value / Low) / Math.Log(High / Low);

    /// <summary>Values that get a line and a label, at most ten of them.</summary>
    public IReadOnlyList<double> Ticks()
    {
        double step = IsBinary ? 2 : 10;
        int first = (int)Math.Ceiling(Math.Log(Low, step) - 1e-9);
        int last = (int)Math.Floor(Math.Log(High, step) + 1e-9);
        List<double> ticks = [];
        int stride = ((last - first) / MostTicks) + 1;
        for (int power = first; power <= last; power += stride) ticks.Add(Math.Pow(step, power));
        // A short axis of powers of ten gets more.
        if (!IsBinary && ticks.Count < 3)
        {
            ticks = [.. Enumerable.Range(first - 1, last - first + 2).SelectMany(power =>
                new[] { 1, 2, 5 }.Select(digit => digit * Math.Pow(10, power)))
                .Where(tick => tick >= Low && tick <= High)];
        }

        return ticks;
    }

    /// <summary>A tick's label: 1, 256, 4k, 0.01.</summary>
    public static string Label(double value) => value >= 1024 && value % 1024 == 0
        ? string.Create(CultureInfo.InvariantCulture, $"{value / 1024:0}k")
        : value.ToString("0.#########", CultureInfo.InvariantCulture);
}
