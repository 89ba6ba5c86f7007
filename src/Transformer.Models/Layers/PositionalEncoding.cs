namespace Transformer.Models.Layers;

/// <summary>The sinusoidal position table.</summary>
public static class PositionalEncoding
{
    /// <summary>
    /// PE(p, 2i) = sin(p / 10000^(2i/D)), PE(p, 2i + 1) = cos(p / 10000^(2i/D)).
    /// </summary>
    /// <param name="positions">Rows.</param>
    /// <param name="width">D.</param>
    /// <param name="halved">All sines, then all cosines: columns i and D/2 + i in place of 2i and
    /// 2i + 1, as tensor2tensor and Marian have it.</param>
    /// <returns>[positions, D], row-major.</returns>
    /// <exception cref="ArgumentException">A size is below 1.</exception>
    /// <remarks>Vaswani et al.: "Attention Is All You Need", 2017, §3.5.</remarks>
    public static float[] Sinusoidal(int positions, int width, bool halved = false)
    {
        if (positions < 1 || width < 1)
        {
            throw new ArgumentException(
                $"PositionalEncoding: {positions} positions of width {width}; expected 1 or more " +
                "of both.");
        }

        float[] table = new float[checked(positions * width)];
        for (int position = 0; position < positions; position++)
        {
            for (int column = 0; column < width; column++)
            {
                double angle = position / Math.Pow(10000, (column & ~1) / (double)width);
                int place = halved ? (column / 2) + ((column & 1) * ((width + 1) / 2)) : column;
                table[(position * width) + place] =
                    (float)((column & 1) == 0 ? Math.Sin(angle) : Math.Cos(angle));
            }
        }

        return table;
    }
}
