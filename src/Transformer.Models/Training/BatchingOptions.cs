using System.Numerics;

namespace Transformer.Models.Training;

/// <summary>How pairs become batches of few distinct shapes.</summary>
/// <remarks>
/// A graph is compiled for each shape, so sizes are rounded. The longer side of a batch is padded
/// to a multiple of <see cref="LengthMultiple"/>, from eight multiples on to one of eight steps
/// between powers of two; the shorter side to quarters of the longer. The rows of a full batch
/// follow from the longer side alone.
/// </remarks>
public sealed record BatchingOptions
{
    /// <summary>The largest <see cref="TokensPerBatch"/>.</summary>
    public const int LargestTokensPerBatch = 1 << 21;

    /// <summary>Most padded tokens of a batch: rows times the longer padded side.</summary>
    public int TokensPerBatch { get; init; } = 2048;

    /// <summary>Lengths are padded up to multiples of this.</summary>
    public int LengthMultiple { get; init; } = 2;

    /// <summary>Rows are rounded down to multiples of this where there are as many.</summary>
    public int RowMultiple { get; init; } = 8;

    /// <summary>Pairs and batches in random order; otherwise the same order each epoch.</summary>
    public bool Shuffle { get; init; } = true;

    /// <summary>Checks the sizes.</summary>
    /// <exception cref="ArgumentException">A size is out of range.</exception>
    public void Validate()
    {
        RequirePositive("tokensPerBatch", TokensPerBatch);
        if (TokensPerBatch > LargestTokensPerBatch)
        {
            throw new ArgumentException($"BatchingOptions: 'tokensPerBatch' is {TokensPerBatch}; " +
                $"expected at most {LargestTokensPerBatch}. Accumulate several batches instead.");
        }

        RequirePositive("lengthMultiple", LengthMultiple);
        RequirePositive("rowMultiple", RowMultiple);
    }

    /// <summary>Padded length of the longer side.</summary>
    internal int PadLonger(int length, int maxPositions)
    {
        uint steps = (uint)(length / (8 * LengthMultiple));
        int step = LengthMultiple * (steps < 2 ? 1 : 1 << BitOperations.Log2(steps));
        return Math.Min(RoundUp(length, step), maxPositions);
    }

    /// <summary>Padded length of either side, given that of the longer.</summary>
    internal int PadSide(int length, int longer) =>
        Math.Min(RoundUp(length, RoundUp((longer + 3) / 4, LengthMultiple)), longer);

    /// <summary>Rows of a full batch whose longer side is padded to a length.</summary>
    internal int Rows(int longer)
    {
        int rows = Math.Max(1, TokensPerBatch / longer);
        return rows < RowMultiple ? rows : rows - (rows % RowMultiple);
    }

    internal static int RoundUp(int value, int multiple) =>
        (value + multiple - 1) / multiple * multiple;

    private static void RequirePositive(string name, int value)
    {
        if (value < 1)
        {
            throw new ArgumentException(
                $"BatchingOptions: '{name}' is {value}; expected 1 or more.");
        }
    }
}
