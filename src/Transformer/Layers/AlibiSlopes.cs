namespace Transformer.Layers;

/// <summary>The slopes of ALiBi, attention with linear biases.</summary>
public static class AlibiSlopes
{
    /// <summary>slopes[h] = 2^(−8·(h + 1) / H) where the number of heads H is a power of two; else
    /// those of the next lower power P, then every other one of 2·P.</summary>
    /// <param name="slopes">[H], overwritten.</param>
    /// <remarks>Press, Smith, Lewis 2022, "Train Short, Test Long", §3; for other numbers than
    /// powers of two as in their code.</remarks>
    public static void Fill(Span<float> slopes)
    {
        int power = 1;
        while (power <= slopes.Length / 2) power *= 2;
        for (int h = 0; h < slopes.Length; h++)
        {
            double exponent = h < power
                ? 8.0 * (h + 1) / power
                : 8.0 * ((2 * (h - power)) + 1) / (2.0 * power);
            slopes[h] = (float)Math.Pow(2, -exponent);
        }
    }
}
