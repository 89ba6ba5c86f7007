namespace Transformer.Verification;

/// <summary>The largest relative L2 error a case allows, and why that much.</summary>
/// <param name="Value">Bound on ‖actual − expected‖₂ / ‖expected‖₂.</param>
/// <param name="Reason">What rounding makes an error of that size unavoidable.</param>
public readonly record struct Tolerance(double Value, string Reason)
{
    /// <summary>2⁻²³: the distance from 1 to the next binary32 number, twice the largest relative
    /// error of one rounding.</summary>
    public const double SingleUlp = 1.0 / (1 << 23);

    /// <summary>Bit for bit: the op only moves numbers.</summary>
    public static Tolerance Exact { get; } = new(0, "numbers are moved, not computed");

    /// <summary>A fixed number of roundings per element, no sum.</summary>
    /// <param name="roundings">Roundings on the way from inputs to one output element.</param>
    public static Tolerance Elementwise(int roundings) =>
        new(roundings * SingleUlp, $"{roundings} binary32 roundings an element");

    /// <summary>
    /// Sums of <paramref name="length"/> terms: rounding errors of a sum's steps add up like a
    /// random walk, √length units; four more for what comes before and after.
    /// </summary>
    /// <param name="length">Terms of the longest sum.</param>
    /// <param name="chained">Such sums that feed one another.</param>
    public static Tolerance Sum(double length, int chained = 1) =>
        new(chained * SingleUlp * (Math.Sqrt(Math.Max(length, 1)) + 4),
            $"{chained} chained sum(s) of {length:0} binary32 terms: " +
            "2^-23·(sqrt(length) + 4) each");

    /// <summary>The same with a further share for another cause.</summary>
    public Tolerance Plus(double value, string reason) =>
        new(Value + value, $"{Reason}; {reason}");
}
