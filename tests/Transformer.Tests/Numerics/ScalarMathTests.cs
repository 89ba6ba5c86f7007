using System.Globalization;
using System.Numerics;
using Transformer.Numerics;
using Transformer.Tests.Fixtures;

namespace Transformer.Tests.Numerics;

public class ScalarMathTests
{
    private const double Tolerance = 1e-15;
    private const int Bits = 2200;

    private static readonly BigInteger RootPi = Root(Pi(Bits) << Bits);

    [Fact]
    public void Erf_MatchesPyTorch()
    {
        Fixture fixture = Fixture.Load("scalars", "erf");
        double[] x = fixture.Doubles("x");
        double[] y = fixture.Doubles("y");
        for (int i = 0; i < x.Length; i++) Near(y[i], ScalarMath.Erf(x[i]), $"erf({x[i]:R})");
    }

    /// <summary>Taylor's series in long integers: nothing in common with the code under test.
    /// </summary>
    [Fact]
    public void ErfAndErfc_MatchTheTaylorSeriesInExactArithmetic()
    {
        for (int i = 1; i <= 116; i++)
        {
            // Sixteenths up to 6, then whole numbers up to 26, each a little off.
            double x = (i <= 96 ? i / 16.0 : i - 90) + Math.ScaleB(i, -40);
            (double erf, double erfc) = ExactErf(x);
            Near(erf, ScalarMath.Erf(x), $"erf({x:R})");
            Near(-erf, ScalarMath.Erf(-x), $"erf({-x:R})");
            Near(erfc, ScalarMath.Erfc(x), $"erfc({x:R})");
            Near(1 + erf, ScalarMath.Erfc(-x), $"erfc({-x:R})");
        }
    }

    [Theory]
    [InlineData(1e-300)]
    [InlineData(1e-10)]
    public void Erf_OfSmallNumbersIsLinear(double x) =>
        Near(1.1283791670955126 * x, ScalarMath.Erf(x), "erf");

    [Fact]
    public void ErfAndErfc_AtTheEnds()
    {
        Assert.Equal(0, ScalarMath.Erf(0));
        Assert.True(double.IsNegative(ScalarMath.Erf(-0.0)));
        Assert.Equal(1, ScalarMath.Erf(double.PositiveInfinity));
        Assert.Equal(-1, ScalarMath.Erf(double.NegativeInfinity));
        Assert.Equal(0, ScalarMath.Erfc(double.PositiveInfinity));
        Assert.Equal(2, ScalarMath.Erfc(double.NegativeInfinity));
        Assert.True(double.IsNaN(ScalarMath.Erf(double.NaN)));
        Assert.True(double.IsNaN(ScalarMath.Erfc(double.NaN)));
        // erfc(27) = 5.2370e-319, a subnormal number; erfc(27.3) = 4e-326 rounds to 0.
        Assert.InRange(ScalarMath.Erfc(27), 5.236e-319, 5.238e-319);
        Assert.Equal(0, ScalarMath.Erfc(27.3));
    }

    [Fact]
    public void NormalCdf_MatchesTabulatedValues()
    {
        Assert.Equal(0.5, ScalarMath.NormalCdf(0));
        Near(0.84134474606854294859, ScalarMath.NormalCdf(1), "Φ(1)");
        Near(0.15865525393145705141, ScalarMath.NormalCdf(-1), "Φ(−1)");
        Near(0.39894228040143267794, ScalarMath.NormalPdf(0), "φ(0)");
        Near(0.24197072451914334980, ScalarMath.NormalPdf(1), "φ(1)");
    }

    private static void Near(double expected, double actual, string name) => Assert.True(
        expected == actual || Math.Abs(actual - expected) <= Tolerance * Math.Abs(expected),
        string.Create(CultureInfo.InvariantCulture,
            $"{name} is {actual:R}; expected {expected:R}"));

    // erf x = 2/√π · Σ (−1)ⁿ x^(2n+1) / (n!·(2n+1)) with numbers scaled by 2^Bits. For x = 26 the
    // terms reach e^676 = 2^975 and erfc 2^−980: 2200 bits leave 200 to spare on both sides.
    private static (double Erf, double Erfc) ExactErf(double x)
    {
        BigInteger one = BigInteger.One << Bits;
        BigInteger scaled = (BigInteger)Math.ScaleB(x, 45) << (Bits - 45);
        BigInteger square = (scaled * scaled) >> Bits;
        BigInteger power = scaled;
        BigInteger sum = scaled;
        for (int n = 1; !power.IsZero; n++)
        {
            power = ((power * square) >> Bits) / n;
            BigInteger term = power / ((2 * n) + 1);
            sum += n % 2 == 0 ? term : -term;
        }

        BigInteger erf = (2 * sum << Bits) / RootPi;
        return (ToDouble(erf, Bits), ToDouble(one - erf, Bits));
    }

    // Machin: π = 16·arctan(1/5) − 4·arctan(1/239).
    private static BigInteger Pi(int bits) =>
        ((16 * ArcTangentOfInverse(5, bits + 16)) - (4 * ArcTangentOfInverse(239, bits + 16)))
            >> 16;

    private static BigInteger ArcTangentOfInverse(int divisor, int bits)
    {
        BigInteger power = (BigInteger.One << bits) / divisor;
        BigInteger sum = power;
        for (int n = 1; !power.IsZero; n++)
        {
            power /= divisor * divisor;
            sum += (n % 2 == 0 ? power : -power) / ((2 * n) + 1);
        }

        return sum;
    }

    private static BigInteger Root(BigInteger square)
    {
        BigInteger root = BigInteger.One << (int)((square.GetBitLength() + 1) / 2);
        while (true)
        {
            BigInteger next = (root + (square / root)) >> 1;
            if (next >= root) return root;
            root = next;
        }
    }

    private static double ToDouble(BigInteger value, int bits)
    {
        int shift = Math.Max(0, (int)value.GetBitLength() - 64);
        return Math.ScaleB((double)(value >> shift), shift - bits);
    }
}
