namespace Transformer.Ops;

/// <summary>Makes the tables of a rotary embedding.</summary>
public static class RotaryTable
{
    /// <summary>The base of the frequencies in RoFormer.</summary>
    public const double DefaultTheta = 10000;

    /// <summary>cosines[p, i] = cos(p·θ^(−2i/R)), sines[p, i] = sin(p·θ^(−2i/R)).</summary>
    /// <param name="cosines">[maxPositions, R/2].</param>
    /// <param name="sines">[maxPositions, R/2].</param>
    /// <param name="maxPositions">Positions 0, 1, … that get a row.</param>
    /// <param name="rotaryDimension">R: elements of a head that are rotated, even.</param>
    /// <param name="theta">θ: the base; larger for longer contexts.</param>
    /// <remarks>Computed in double, rounded once. Su et al. 2021, "RoFormer: Enhanced Transformer
    /// with Rotary Position Embedding", §3.2.2 and §3.4.2.</remarks>
    /// <exception cref="ArgumentException">A span of another length, a negative number of
    /// positions, an odd dimension, or a θ that is not positive and finite.</exception>
    public static void Fill(
        Span<float> cosines, Span<float> sines, int maxPositions, int rotaryDimension,
        double theta = DefaultTheta)
    {
        OpCheck.NotNegative(nameof(RotaryTable), nameof(maxPositions), maxPositions);
        if (rotaryDimension < 2 || rotaryDimension % 2 != 0)
        {
            OpCheck.Throw(nameof(RotaryTable), $"'rotaryDimension' is {rotaryDimension}; " +
                "expected an even number of 2 or more. Pass the number of elements to rotate.");
        }

        OpCheck.InRange(
            nameof(RotaryTable), nameof(theta), theta, double.Epsilon, double.MaxValue);
        int half = rotaryDimension / 2;
        RequireLength(nameof(cosines), cosines.Length, maxPositions, half);
        RequireLength(nameof(sines), sines.Length, maxPositions, half);
        for (int i = 0; i < half; i++)
        {
            double frequency = Math.Pow(theta, -2.0 * i / rotaryDimension);
            for (int p = 0; p < maxPositions; p++)
            {
                (double sin, double cos) = Math.SinCos(p * frequency);
                cosines[(p * half) + i] = (float)cos;
                sines[(p * half) + i] = (float)sin;
            }
        }
    }

    private static void RequireLength(string argument, int length, int positions, int half)
    {
        if (length == OpCheck.Count(positions, half)) return;
        OpCheck.Throw(nameof(RotaryTable), $"'{argument}' has {length} elements; expected " +
            $"{OpCheck.Count(positions, half)} for shape [{positions}, {half}]. Pass a span of " +
            "that size.");
    }
}
