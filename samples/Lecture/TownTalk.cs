using Transformer.Backends;
using Transformer.Models;
using Transformer.Models.Text;
using Transformer.Models.Training;

namespace Transformer.Samples.Lecture;

/// <summary>A small encoder-only model of what people of a town do, for <see cref="MaskSample"/> and
/// <see cref="PairSample"/>.</summary>
public static class TownTalk
{
    /// <summary>Tokens of a text.</summary>
    internal const int Length = 20;

    private const int Documents = 48;

    private static readonly (string Who, string Place, string Thing)[] People =
    [
        ("cook", "kitchen", "soup"), ("sailor", "harbour", "boat"),
        ("teacher", "school", "lesson"), ("robot", "factory", "engine"),
    ];

    /// <summary>The sentences, an empty line after each document.</summary>
    internal static string[] Lines { get; } = [.. Enumerable.Range(0, Documents).SelectMany(i =>
    {
        (string who, string place, string thing) = People[i % People.Length];
        return (string[])
        [
            $"the {who} went to the {place}", $"there the {who} began a {thing}",
            $"the {thing} took the {who} all day", "",
        ];
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
            new TokenMasking(tokenizer), SampleTraining.Options(steps: 400, tokens: 640));
        trainer.Run();
        return filler;
    }
}
