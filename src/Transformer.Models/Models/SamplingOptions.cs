using System.Globalization;

namespace Transformer.Models;

/// <summary>How the next token is chosen.</summary>
public sealed record SamplingOptions
{
    /// <summary>The most likely token at each step.</summary>
    public static SamplingOptions Greedy { get; } = new() { Temperature = 0 };

    /// <summary>Divides the logits: below 1 likely tokens gain, above 1 unlikely ones; 0 takes the
    /// most likely token.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Only so many of the most likely tokens are drawn from; 0: all.</summary>
    /// <remarks>Fan, Lewis, Dauphin: "Hierarchical Neural Story Generation", 2018, §5.4.</remarks>
    public int TopK { get; init; }

    /// <summary>Only the most likely tokens that together have this probability are drawn from,
    /// in (0, 1]; after <see cref="TopK"/>.</summary>
    /// <remarks>Holtzman et al.: "The Curious Case of Neural Text Degeneration", 2020, §3.1.
    /// </remarks>
    public double TopP { get; init; } = 1;

    /// <summary>θ: logits of tokens that the text has already are divided by it where they are
    /// positive, multiplied where they are negative; above 1 repeats become rarer.</summary>
    /// <remarks>Keskar et al.: "CTRL", 2019, §4.1; before <see cref="Temperature"/>. The prompt
    /// counts as text.</remarks>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>The same seed draws the same tokens.</summary>
    public ulong Seed { get; init; }

    /// <summary>Tokens that are never chosen.</summary>
    public IReadOnlyList<int> Excluded { get; init; } = [];

    /// <summary>Tokens that end a text; the one that did is not part of it.</summary>
    public IReadOnlyList<int> Ends { get; init; } = [];

    /// <summary>Texts that are continued together where several are given.</summary>
    public int BatchRows { get; init; } = 8;

    /// <summary>Keeps keys and values of earlier positions. False computes the whole context again
    /// for each token: for checking.</summary>
    public bool UseCache { get; init; } = true;

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    public void Validate()
    {
        Require(Temperature >= 0 && double.IsFinite(Temperature), "Temperature", Temperature,
            "0 (greedy) or more");
        Require(TopK >= 0, "TopK", TopK, "0 (all) or more");
        Require(TopP > 0 && TopP <= 1, "TopP", TopP, "more than 0 and at most 1 (all)");
        Require(RepetitionPenalty > 0 && double.IsFinite(RepetitionPenalty), "RepetitionPenalty",
            RepetitionPenalty, "more than 0; 1 is none");
        Require(BatchRows >= 1, "BatchRows", BatchRows, "1 or more");
    }

    private static void Require(bool holds, string name, double value, string expected)
    {
        if (holds) return;
        throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
            $"SamplingOptions: '{name}' is {value}; expected {expected}."));
    }
}
