using Transformer.Backends;
using Transformer.Models.Text;
using Transformer.Models.Training;
using Transformer.Numerics;

namespace Transformer.Models.Tests.Training;

/// <summary>Documents of sentences that a small encoder-only model can learn.</summary>
internal static class BertData
{
    /// <summary>Seven special tokens, then the letters a to t.</summary>
    public static WordTokenizer Tokenizer { get; } = WordTokenizer.Train(
        [string.Join(' ', Enumerable.Range(0, 20).Select(i => (char)('a' + i)))],
        new() { MoreSpecialTokens = BertTokens.Names });

    public static BertConfig Config { get; } = new()
    {
        Vocabulary = Tokenizer.VocabularySize,
        Positions = 24,
        Layers = 1,
        Heads = 2,
        Width = 16,
        Dropout = 0.1,
    };

    public static TokenMasking Masking { get; } = new(Tokenizer);

    /// <summary>Each document walks round a part of the alphabet by a step of its own; a sentence
    /// goes on where the one before it ended.</summary>
    /// <param name="documents">How many.</param>
    /// <param name="sentences">Of each document.</param>
    /// <param name="seed">Of all draws.</param>
    /// <param name="cycle">Letters of a part, a divisor of 20.</param>
    /// <param name="steps">The longest step.</param>
    public static IEnumerable<string> Lines(
        int documents, int sentences, uint seed = 1, int cycle = 20, int steps = 5)
    {
        for (int d = 0; d < documents; d++)
        {
            int letter = Draw(seed, d, 0, 20), step = 1 + Draw(seed, d, 1, steps);
            for (int s = 0; s < sentences; s++)
            {
                List<char> words = [];
                for (int count = 3 + Draw(seed, d, 2 + s, 5); count > 0; count--)
                {
                    words.Add((char)('a' + letter));
                    letter = (letter / cycle * cycle) + ((letter + step) % cycle);
                }

                yield return string.Join(' ', words);
            }

            yield return "";
        }
    }

    public static SentenceDataset Sentences(
        int documents, int sentences, uint seed = 1, int cycle = 20, int steps = 5) =>
        SentenceDataset.Encode(Lines(documents, sentences, seed, cycle, steps), Tokenizer);

    public static Bert Model(Backend? backend = null, ulong seed = 2, double dropout = 0.1) =>
        new(Config with { Dropout = dropout }, backend ?? BackendRegistry.Cpu, seed);

    private static int Draw(uint seed, int document, int index, int below) =>
        (int)(Philox.Word(seed, (uint)document, 0, (ulong)index) % (uint)below);
}
