using System.Globalization;

namespace Transformer.Tests.Support;

/// <summary>Random inputs and comparisons that print what differs.</summary>
public static class Numbers
{
    /// <summary>Normally distributed numbers; the same for the same seed.</summary>
    public static double[] Normal(int seed, long count, double scale = 1)
    {
        Random random = new(seed);
        double[] values = new double[count];
        for (int i = 0; i < values.Length; i++)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            values[i] = scale * radius * Math.Cos(2 * Math.PI * random.NextDouble());
        }

        return values;
    }

    /// <summary>Requires |expected − actual| ≤ tolerance · max |expected|, element by element;
    /// infinities and NaN must be the same.</summary>
    public static void Close(double[] expected, double[] actual, double tolerance, string name)
    {
        Assert.True(expected.Length == actual.Length,
            $"{name}: {actual.Length} elements; expected {expected.Length}");
        double scale = expected.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty(0).Max();
        for (int i = 0; i < expected.Length; i++)
        {
            bool same = double.IsFinite(expected[i])
                ? Math.Abs(expected[i] - actual[i]) <= tolerance * scale
                : expected[i].Equals(actual[i]);
            Assert.True(same, string.Create(CultureInfo.InvariantCulture,
                $"{name}[{i}] is {actual[i]:R}; expected {expected[i]:R} (off by " +
                $"{Math.Abs(expected[i] - actual[i]) / scale:E2} of the largest)"));
        }
    }

    /// <summary>Requires the very same numbers; NaN equals NaN.</summary>
    public static void Same(double[] expected, double[] actual, string name) =>
        Close(expected, actual, 0, name);

    /// <summary>Σ weights ⊙ values: the scalar whose gradient a backward call computes when it is
    /// given <paramref name="weights"/> as the output's gradient.</summary>
    public static double Dot(double[] weights, double[] values)
    {
        Assert.Equal(weights.Length, values.Length);
        double sum = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            if (weights[i] != 0) sum += weights[i] * values[i];
        }

        return sum;
    }
}
