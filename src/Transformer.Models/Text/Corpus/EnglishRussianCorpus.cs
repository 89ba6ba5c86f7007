using System.Diagnostics.CodeAnalysis;

namespace Transformer.Models.Text.Corpus;

/// <summary>English sentences with their Russian translations, generated from a small
/// hand-written grammar; the test sentences are combinations that training never shows.</summary>
/// <remarks>
/// Every source has one translation, fixed by the grammar: "you" is ты, "I am a student" is said
/// by a man, the simple past is perfective and the continuous one imperfective. Statements end
/// without full stop. Every word of the validation and test sentences occurs in training. The
/// corpus depends on the arguments alone, not on the platform.
/// </remarks>
public sealed class EnglishRussianCorpus
{
    /// <summary>Sentences in <see cref="Validation"/> and in <see cref="Test"/>.</summary>
    public const int HeldOutPairs = 500;

    /// <summary>Times that each word of a held-out sentence occurs in training, at least.
    /// </summary>
    internal const int MinimumOccurrences = 20;

    private const int MinimumPairs = 6_000;
    private const int MaximumPairs = 100_000;

    private EnglishRussianCorpus(
        IReadOnlyList<CorpusSentence> training,
        IReadOnlyList<CorpusSentence> validation,
        IReadOnlyList<CorpusSentence> test)
    {
        TrainingSentences = training;
        ValidationSentences = validation;
        TestSentences = test;
        Training = [.. training.Select(sentence => sentence.Pair)];
        Validation = [.. validation.Select(sentence => sentence.Pair)];
        Test = [.. test.Select(sentence => sentence.Pair)];
    }

    /// <summary>Pairs to train on, in random order.</summary>
    public IReadOnlyList<SentencePair> Training { get; }

    /// <summary>Pairs to choose settings by: <see cref="HeldOutPairs"/> combinations found
    /// neither in training nor in test.</summary>
    public IReadOnlyList<SentencePair> Validation { get; }

    /// <summary>Pairs to measure by: <see cref="HeldOutPairs"/> combinations found neither in
    /// training nor in validation. The first is "I am a student".</summary>
    public IReadOnlyList<SentencePair> Test { get; }

    internal IReadOnlyList<CorpusSentence> TrainingSentences { get; }

    internal IReadOnlyList<CorpusSentence> ValidationSentences { get; }

    internal IReadOnlyList<CorpusSentence> TestSentences { get; }

    /// <summary>Generates the corpus.</summary>
    /// <param name="pairs">Pairs in all three parts, from 6,000 to 100,000; all but 1,000 are
    /// for training.</param>
    /// <param name="seed">Chooses the sentences; which combinations are held out is the same for
    /// every seed.</param>
    /// <returns>Pairs whose sources all differ.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="pairs"/> is out of range.
    /// </exception>
    public static EnglishRussianCorpus Generate(int pairs = 24_000, ulong seed = 0)
    {
        if (pairs is < MinimumPairs or > MaximumPairs) ThrowPairs(pairs);
        var (training, validation, test) =
            new CorpusBuilder(seed).Build(pairs - (2 * HeldOutPairs), HeldOutPairs);
        return new(training, validation, test);
    }

    [DoesNotReturn]
    private static void ThrowPairs(int pairs) => throw new ArgumentOutOfRangeException(
        null,
        $"EnglishRussianCorpus: 'pairs' is {pairs}; expected {MinimumPairs} to {MaximumPairs}.");
}
