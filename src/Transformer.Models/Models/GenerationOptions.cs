using System.Globalization;

namespace Transformer.Models;

/// <summary>How a model writes a sentence.</summary>
public sealed record GenerationOptions
{
    /// <summary>The most likely token at each step.</summary>
    public static GenerationOptions Greedy { get; } = new() { BeamSize = 1 };

    /// <summary>Most tokens of a translation, end token included; 0: those of the source and 50
    /// more, as far as the model's positions reach.</summary>
    /// <remarks>Vaswani et al. 2017, §6.1.</remarks>
    public int MaxLength { get; init; }

    /// <summary>The largest <see cref="BeamSize"/>.</summary>
    public const int MaxBeamSize = 4096;

    /// <summary>K: hypotheses kept a sentence; 1 is greedy.</summary>
    public int BeamSize { get; init; } = 4;

    /// <summary>α of the length penalty ((5 + |Y|) / 6)^α; 0 favours short sentences.</summary>
    /// <remarks>Wu et al. 2016, eq. 14; 0.6 is what Vaswani et al. 2017 used.</remarks>
    public double LengthPenalty { get; init; } = 0.6;

    /// <summary>Keeps keys and values of earlier positions. False computes the whole prefix again
    /// for each token: for checking.</summary>
    public bool UseCache { get; init; } = true;

    /// <summary>Sentences times hypotheses that are decoded together.</summary>
    public int BatchRows { get; init; } = 64;

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    public void Validate()
    {
        Require(MaxLength >= 0, "MaxLength", MaxLength, "0 (automatic) or more");
        Require(BeamSize is >= 1 and <= MaxBeamSize, "BeamSize", BeamSize,
            $"1 (greedy) to {MaxBeamSize}");
        Require(BatchRows >= 1, "BatchRows", BatchRows, "1 or more");
        Require(LengthPenalty >= 0 && double.IsFinite(LengthPenalty), "LengthPenalty",
            LengthPenalty, "0 (none) or more");
    }

    private static void Require(bool holds, string name, double value, string expected)
    {
        if (holds) return;
        throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
            $"GenerationOptions: '{name}' is {value}; expected {expected}."));
    }
}
