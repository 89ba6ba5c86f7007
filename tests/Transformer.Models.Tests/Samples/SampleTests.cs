using System.Text.RegularExpressions;
using Transformer.Samples;

namespace Transformer.Models.Tests.Samples;

/// <summary>The sentences of src/Transformer.Samples come out as they should.</summary>
public sealed partial class SampleTests
{
    [Fact]
    public void Student_IsTranslatedWordByWord()
    {
        string[] lines = Lines(StudentSample.Run);
        Assert.Equal("tokens  I · am · a · student · <eos>", lines[1]);
        Assert.Matches("^reads <bos> +writes Я ", lines[3]);
        Assert.Matches("^reads <bos> Я +writes студент ", lines[4]);
        Assert.Matches("^reads <bos> Я студент +writes <eos> ", lines[5]);
        Assert.Equal("I am a student → Я студент", lines[6]);
    }

    [Fact]
    public void Robot_HasTheNextTokensAsLabels_AndLearnsThem()
    {
        string[] lines = Lines(RobotSample.Run);
        string[] words = ["Robot", "must", "obey", "orders", "<eos>"];
        for (int i = 1; i < words.Length; i++)
        {
            // What is read, its label, and the same word again as the prediction.
            Assert.Matches($"^{string.Join(' ', words[..i])} +{words[i]} +{words[i]} ", lines[i]);
        }

        // Five targets of nine words, each with one 1, on the diagonal.
        for (int i = 0; i < 5; i++)
        {
            string[] target = lines[6 + (2 * i)].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            Assert.Equal(
                Enumerable.Range(0, 9).Select(j => j == i ? "1" : "0"), target.Skip(1));
        }
    }

    /// <summary>One model serves both samples: its training takes most of their time.</summary>
    [Fact]
    public void MaskedWordsAndPairs_AreGuessed()
    {
        using MaskFiller model = TownTalk.Train();
        string[] masks = Lines(output => MaskSample.Show(output, model));
        Assert.Matches(@"^of \d+ words 1[45]\.\d % are to guess; of these [78]\d\.\d % read",
            masks[5]);
        Assert.Equal(["kitchen", "sailor", "power", "teacher"],
            masks[6..].Select(line => Guess().Match(line).Groups["word"].Value));
        string[] pairs = Lines(output => PairSample.Show(output, model));
        Assert.Equal("[CLS] the sailor left the [MASK] [SEP] the sailor likes wind [SEP]",
            pairs[0]);
        Assert.Equal(
            "0     0   0      0    0   0      0     1   1      1     1    1", pairs[1]);
        for (int i = 2; i < pairs.Length; i += 3)
        {
            bool follows = pairs[i].StartsWith("label: follows", StringComparison.Ordinal);
            double share = double.Parse(Share().Match(pairs[i]).Groups["share"].Value,
                System.Globalization.CultureInfo.InvariantCulture) / 100;
            Assert.True(follows == share > 0.5, pairs[i]);
        }
    }

    private static string[] Lines(Action<TextWriter> run)
    {
        using StringWriter output = new();
        run(output);
        return output.ToString().Split(
            Environment.NewLine, StringSplitOptions.RemoveEmptyEntries);
    }

    [GeneratedRegex(@"  +(?<word>\w+) \d")]
    private static partial Regex Guess();

    [GeneratedRegex(@"model: follows (?<share>[\d.]+) %")]
    private static partial Regex Share();
}
