namespace Transformer.Numerics;

/// <summary>Scalar functions in double precision that the base library lacks.</summary>
/// <remarks>Relative error below 1e-15 for <see cref="Erf"/> and <see cref="Erfc"/>, save where the
/// result is subnormal. Made for the reference: plain and exact rather than fast.</remarks>
public static class ScalarMath
{
    private const double TwoOverRootPi = 1.1283791670955125739;
    private const double OneOverRootPi = 0.56418958354775628695;
    private const double OneOverRootTwo = 0.70710678118654752440;
    private const double OneOverRootTwoPi = 0.39894228040143267794;

    // Further left the fraction needs too many terms, further right 1 − erf(x) loses digits.
    private const double FractionStart = 0.7;

    // From here on, erfc(x) is smaller than the least subnormal number.
    private const double ErfcUnderflow = 27.3;

    /// <summary>erf(x) = 2/√π ∫₀ˣ e^(−t²) dt.</summary>
    /// <remarks>Abramowitz, Stegun, "Handbook of Mathematical Functions", 7.1.6 (a series of
    /// positive terms, unlike 7.1.5) below 0.7 and 1 − <see cref="Erfc"/> beyond.</remarks>
    public static double Erf(double x)
    {
        double size = Math.Abs(x);
        if (size < FractionStart) return ErfSeries(x);
        return double.IsNaN(x) ? x : Math.CopySign(1 - ErfcFraction(size), x);
    }

    /// <summary>erfc(x) = 1 − erf(x), without the cancellation for large x.</summary>
    /// <remarks>Abramowitz, Stegun, 7.1.14 (continued fraction) from 0.7 on.</remarks>
    public static double Erfc(double x)
    {
        if (double.IsNaN(x)) return x;
        if (x >= FractionStart) return ErfcFraction(x);
        return x > -FractionStart ? 1 - ErfSeries(x) : 2 - ErfcFraction(-x);
    }

    /// <summary>Φ(x), the distribution function of the normal distribution.</summary>
    public static double NormalCdf(double x) => 0.5 * Erfc(-x * OneOverRootTwo);

    /// <summary>φ(x) = e^(−x²/2)/√(2π), the density of the normal distribution.</summary>
    public static double NormalPdf(double x) => OneOverRootTwoPi * Math.Exp(-0.5 * x * x);

    private static double ErfSeries(double x)
    {
        // 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1))
        double square = x * x;
        double term = x;
        double sum = x;
        for (int n = 1; Math.Abs(term) > Math.Abs(sum) * 1e-18; n++)
        {
            term *= 2 * square / ((2 * n) + 1);
            sum += term;
        }

        return TwoOverRootPi * Math.Exp(-square) * sum;
    }

    private static double ErfcFraction(double x)
    {
        if (x > ErfcUnderflow) return 0;

        // √π · e^(x²) · erfc(x) = 1/(x + ½/(x + 1/(x + 1½/(x + 2/(x + …))))), from the inside out.
        double fraction = x;
        // The error of n terms falls as e^(−2x√(2n)): 2⁻⁵³ takes n = 169/x².
        for (int n = 16 + (int)(180 / (x * x)); n >= 1; n--) fraction = x + (0.5 * n / fraction);

        // e^(−x²) with the digits of x² that a double loses.
        double square = x * x;
        double lost = Math.FusedMultiplyAdd(x, x, -square);
        return OneOverRootPi * Math.Exp(-square) * (1 - lost) / fraction;
    }
}
