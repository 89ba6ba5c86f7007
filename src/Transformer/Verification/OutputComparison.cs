using System.Globalization;

namespace Transformer.Verification;

/// <summary>One output against the reference's.</summary>
/// <param name="MaxAbs">Largest absolute error of a finite element.</param>
/// <param name="RelL2">‖actual − expected‖₂ / max(‖expected‖₂, floor·√n).</param>
/// <param name="Passed">Every check holds.</param>
/// <param name="Detail">The worst element, or what failed, with both values.</param>
internal readonly record struct OutputComparison(
    double MaxAbs, double RelL2, bool Passed, string Detail)
{
    /// <summary>
    /// No element may be further off than this many tolerances of its own size or of the output's
    /// root mean square: what a norm over all elements would not notice.
    /// </summary>
    /// <remarks>Errors of n elements at a relative L2 error r are of size r on average; the largest
    /// of a million normal ones is 5 times that, and the rows of one output differ in size.
    /// </remarks>
    private const double WorstElementFactor = 16;

    public static OutputComparison Of(
        string name, double[] actual, double[] expected, OutputRule rule, double tolerance)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            if (DescribeExact(actual[i], expected[i], rule, i) is { } problem)
            {
                int like = Enumerable.Range(i, expected.Length - i)
                    .Count(k => DescribeExact(actual[k], expected[k], rule, k) == problem);
                return new(double.NaN, double.NaN, false,
                    $"{Element(name, i, actual[i], expected[i])}: {problem}; the first of " +
                    $"{like} such among {expected.Length} elements");
            }
        }

        (double size, double error, int counted) = Norms(actual, expected);
        double floor = rule.EffectiveFloor * Math.Sqrt(Math.Max(counted, 1));
        double relative = error / Math.Max(size, floor);
        double mean = Math.Max(size, floor) / Math.Sqrt(Math.Max(counted, 1));
        (int worst, double maxAbs, double worstShare) = Worst(actual, expected, mean);
        string element = expected.Length == 0
            ? $"'{name}' is empty" : Element(name, worst, actual[worst], expected[worst]);
        if (!(relative <= tolerance))
        {
            return new(maxAbs, relative, false, string.Create(CultureInfo.InvariantCulture,
                $"{element}: relative L2 error {relative:g3} exceeds {tolerance:g3}; ") +
                Spread(actual, expected, mean, tolerance));
        }

        if (!(worstShare <= WorstElementFactor * tolerance))
        {
            return new(maxAbs, relative, false, string.Create(CultureInfo.InvariantCulture,
                $"{element}: one element is off by {worstShare:g3} of its size, more than " +
                $"{WorstElementFactor} × {tolerance:g3}; ") +
                Spread(actual, expected, mean, WorstElementFactor * tolerance));
        }

        return new(maxAbs, relative, true, element);
    }

    private static string? DescribeExact(double actual, double expected, OutputRule rule, int i)
    {
        if (rule.IsGap is { } isGap && isGap(i))
        {
            return !double.IsNaN(expected) ? "the reference wrote an element that nobody may write"
                : double.IsNaN(actual) ? null : "an element that nobody may write was written";
        }

        if (double.IsNaN(expected)) return "the reference left or made NaN";

        if (double.IsNaN(actual)) return "NaN, or not written";
        if (double.IsInfinity(expected) || double.IsInfinity(actual))
        {
            return actual == expected ? null : "infinities differ";
        }

        if (rule.ExactZero is not { } isZero || !isZero(i)) return null;
        return expected != 0 ? "the reference is not 0 where it must be"
            : actual != 0 ? "must be exactly 0" : null;
    }

    private static (double Size, double Error, int Counted) Norms(
        double[] actual, double[] expected)
    {
        double size = 0;
        double error = 0;
        int counted = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            if (!double.IsFinite(expected[i])) continue;
            counted++;
            size += expected[i] * expected[i];
            error += (actual[i] - expected[i]) * (actual[i] - expected[i]);
        }

        return (Math.Sqrt(size), Math.Sqrt(error), counted);
    }

    private static (int Index, double MaxAbs, double Share) Worst(
        double[] actual, double[] expected, double mean)
    {
        int index = 0;
        double maxAbs = 0;
        double worst = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            if (!double.IsFinite(expected[i])) continue;
            double error = Math.Abs(actual[i] - expected[i]);
            maxAbs = Math.Max(maxAbs, error);
            double share = error / Math.Max(Math.Abs(expected[i]), mean);
            if (!(share > worst)) continue;
            worst = share;
            index = i;
        }

        return (index, maxAbs, worst);
    }

    // Whether one element is wrong, every one, or all from some index on tells most of the cause.
    private static string Spread(
        double[] actual, double[] expected, double mean, double tolerance)
    {
        int[] off = [.. Enumerable.Range(0, expected.Length).Where(i =>
            Math.Abs(actual[i] - expected[i]) >
                tolerance * Math.Max(Math.Abs(expected[i]), mean))];
        return off.Length == 0 ? $"no one of {expected.Length} elements stands out" :
            $"{off.Length} of {expected.Length} elements are off, the first at [{off[0]}]";
    }

    private static string Element(string name, int index, double actual, double expected) =>
        string.Create(CultureInfo.InvariantCulture,
            $"{name}[{index}] = {actual:g9}, expected {expected:g9}");
}
