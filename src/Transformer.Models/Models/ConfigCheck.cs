using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Numerics;

namespace Transformer.Models;

/// <summary>What the checks of all configurations have in common.</summary>
/// <param name="owner">The configuration, for messages.</param>
internal readonly struct ConfigCheck(string owner)
{
    // Far beyond any model that fits a machine: larger numbers are mistakes, and would end in
    // overflows or in hours of allocating.
    public const int MostTokens = 1 << 24, MostLayers = 1 << 10, MostWidth = 1 << 18,
        MostPositions = 1 << 20, MostSegments = 1 << 10;

    /// <summary>Requires a size from 1 to <paramref name="most"/>.</summary>
    public void Size(string field, int value, int most)
    {
        if (value < 1) Refuse(field, value, "1 or more", "Give a positive size.");
        if (value > most)
        {
            Refuse(field, value, string.Create(CultureInfo.InvariantCulture, $"at most {most}"),
                "Give a smaller size.");
        }
    }

    /// <summary>Requires heads of one width.</summary>
    public void Heads(int width, int heads)
    {
        Size("heads", heads, MostWidth);
        Size("width", width, MostWidth);
        if (width % heads != 0)
        {
            Refuse("width", width, $"a multiple of the {heads} heads",
                $"Use {(width + heads - 1) / heads * heads}, or another number of heads.");
        }
    }

    /// <summary>Requires a share that leaves something.</summary>
    public void Dropout(double value)
    {
        if (!(value >= 0 && value < 1))
            Refuse("dropout", value, "at least 0 and less than 1", "Use 0.1, or 0 for none.");
    }

    /// <summary>Requires an ε of a layer norm.</summary>
    public void Epsilon(double value, string usual)
    {
        if (!(value > 0 && value <= 1))
            Refuse("epsilon", value, "more than 0 and at most 1", $"Use {usual}.");
    }

    /// <summary>Throws for a number that makes no model.</summary>
    /// <exception cref="ArgumentException">Always.</exception>
    [DoesNotReturn]
    public void Refuse<T>(string field, T value, string expected, string remedy)
        where T : INumber<T> => throw new ArgumentException(
            $"{owner}: '{field}' is {value.ToString(null, CultureInfo.InvariantCulture)}; " +
            $"expected {expected}. {remedy}");
}
