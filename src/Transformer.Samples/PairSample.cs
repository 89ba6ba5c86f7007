using System.Globalization;
using Transformer.Models;

namespace Transformer.Samples;

/// <summary>Two sentences with [SEP]: tokens, segments, the label, and whether the model thinks
/// that the second follows the first.</summary>
public static class PairSample
{
    private static readonly (string First, string Second, string Label)[] Pairs =
    [
        ("the sailor left the [MASK]", "the sailor likes wind", "follows"),
        ("the sailor left the [MASK]", "soup needs the cook", "does not follow"),
        ("the robot likes [MASK]", "power needs the robot", "follows"),
        ("the robot likes [MASK]", "the teacher left the school", "does not follow"),
    ];

    /// <summary>Trains the model and shows it.</summary>
    public static void Run(TextWriter output)
    {
        using MaskFiller filler = TownTalk.Train();
        Show(output, filler);
    }

    /// <summary>Shows a trained model.</summary>
    public static void Show(TextWriter output, MaskFiller filler)
    {
        foreach ((string first, string second, string label) in Pairs)
        {
            (int[] ids, int[] segments) = filler.Encode(first, second);
            string[] tokens = [.. ids.Select(filler.Tokenizer.Token)];
            output.WriteLine(string.Join(' ', tokens));
            output.WriteLine(string.Join(' ', segments.Zip(tokens,
                (segment, token) => segment.ToString(CultureInfo.InvariantCulture)
                    .PadRight(token.Length))).TrimEnd());
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"label: {label}; model: follows " +
                $"{100 * filler.FollowsProbability(first, second):F1} %"));
        }
    }
}
