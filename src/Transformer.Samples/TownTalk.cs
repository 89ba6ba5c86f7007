using Transformer.Backends;
using Transformer.Models;
using Transformer.Models.Text;
using Transformer.Models.Training;

namespace Transformer.Samples;

/// <summary>A small encoder-only model of what people of a town do, for
/// <see cref="MaskSample"/> and <see cref="PairSample"/>.</summary>
public static class TownTalk
{
    /// <summary>Tokens of a text.</summary>
    internal const int Length = 14;

    private const int Documents = 48;

    private static readonly (string Who, string Place, string Thing)[] People =
    [
        ("cook", "kitchen", "soup"), ("sailor", "harbour", "wind"),
        ("teacher", "school", "chalk"), ("robot", "factory", "power"),
    ];

    /// <summary>The sentences, an empty line after each document.</summary>
    internal static string[] Lines { get; } = [.. Enumerable.Range(0, Documents).SelectMany(i =>
    {
        (string who, string place, string thing) = People[i % People.Length];
        string[] told =
            [$"the {who} left the {place}", $"the {who} likes {thing}", $"{thing} needs the {who}"];
        // Any of the three opens a document, so that the topic alone tells what follows.
        int first = i / People.Length % told.Length;
        return (string[])[.. told[first..], .. told[..first], ""];
    })];

    /// <summary>Learns words and model: masked tokens, and which sentence follows.</summary>
    public static MaskFiller Train()
    {
        WordTokenizer tokenizer = WordTokenizer.Train(
            Lines, new() { MoreSpecialTokens = BertTokens.Names });
        Bert model = new(new()
        {
            Vocabulary = tokenizer.VocabularySize,
            Positions = Length,
            Layers = 2,
            Heads = 2,
            Width = 32,
            Dropout = 0,
        }, BackendRegistry.Cpu, seed: 3);
        MaskFiller filler = new(model, tokenizer);
        using BertTrainer trainer = new(model, SentenceDataset.Encode(Lines, tokenizer), null,
            new TokenMasking(tokenizer),
            SampleTraining.Options(steps: 1200, tokens: 700, learningRate: 3e-3));
        trainer.Run();
        return filler;
    }
}
