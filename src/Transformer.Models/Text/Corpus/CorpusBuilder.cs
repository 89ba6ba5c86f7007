using System.Runtime.InteropServices;

namespace Transformer.Models.Text.Corpus;

/// <summary>Draws sentences from the templates until every part of the corpus is full.</summary>
internal sealed class CorpusBuilder(ulong seed)
{
    private static readonly (Func<Draw, CorpusSentence?> Next, int Weight)[] s_templates =
    [
        (ActionTemplates.Present, 20),
        (ActionTemplates.Negative, 6),
        (ActionTemplates.Question, 6),
        (ActionTemplates.Past, 11),
        (ActionTemplates.Future, 7),
        (ActionTemplates.Wish, 7),
        (ActionTemplates.Serving, 4),
        (ActionTemplates.Contrast, 3),
        (PersonTemplates.Feeling, 8),
        (PersonTemplates.Help, 4),
        (PersonTemplates.Transfer, 5),
        (PersonTemplates.Occupation, 6),
        (PersonTemplates.FormerOrFutureOccupation, 6),
        (PersonTemplates.Age, 2),
        (PlaceTemplates.Activity, 12),
        (PlaceTemplates.WhereDoes, 2),
        (PlaceTemplates.Motion, 8),
        (PlaceTemplates.Location, 6),
        (PlaceTemplates.WhereIs, 2),
        (PlaceTemplates.Existence, 6),
        (PossessionTemplates.Have, 10),
        (PossessionTemplates.HaveCount, 5),
        (PossessionTemplates.Like, 9),
        (PossessionTemplates.Description, 11),
        (PossessionTemplates.Identification, 4),
    ];

    private static readonly Func<Draw, CorpusSentence?>[] s_wheel =
        [.. s_templates.SelectMany(template => Enumerable.Repeat(template.Next, template.Weight))];

    private readonly Draw _draw = new(new SplitMix64(seed));
    private readonly HashSet<string> _sources = new(StringComparer.Ordinal);
    private readonly List<CorpusSentence> _training = [];
    private readonly List<CorpusSentence> _validation = [];
    private readonly List<CorpusSentence> _test = [];

    /// <summary>Fills the training part first, then the held-out parts with sentences whose
    /// words training shows often enough.</summary>
    public (List<CorpusSentence> Training, List<CorpusSentence> Validation,
        List<CorpusSentence> Test) Build(int training, int heldOut)
    {
        foreach (CorpusSentence sentence in PersonTemplates.PlainOccupations()) Place(sentence);
        while (_training.Count < training) Place(Next());
        Shuffle(_training);

        Dictionary<string, int> words = CountWords();
        Trim(_validation, words, heldOut);
        Trim(_test, words, heldOut);
        while (_validation.Count < heldOut || _test.Count < heldOut)
        {
            CorpusSentence sentence = Next();
            List<CorpusSentence>? part = CorpusSplit.Of(sentence.Keys) switch
            {
                CorpusPart.Validation => _validation,
                CorpusPart.Test => _test,
                _ => null,
            };
            if (part?.Count < heldOut && IsFamiliar(sentence, words) &&
                _sources.Add(sentence.Pair.Source))
            {
                part.Add(sentence);
            }
        }
        return (_training, _validation, _test);
    }

    private CorpusSentence Next()
    {
        while (true)
        {
            if (_draw.Pick(s_wheel)(_draw) is { } sentence) return sentence;
        }
    }

    private void Place(CorpusSentence sentence)
    {
        List<CorpusSentence>? part = CorpusSplit.Of(sentence.Keys) switch
        {
            CorpusPart.Training => _training,
            CorpusPart.Validation => _validation,
            CorpusPart.Test => _test,
            _ => null,
        };
        if (part is not null && _sources.Add(sentence.Pair.Source)) part.Add(sentence);
    }

    private void Shuffle(List<CorpusSentence> sentences)
    {
        for (int last = sentences.Count - 1; last > 0; last--)
        {
            int other = _draw.Below(last + 1);
            (sentences[last], sentences[other]) = (sentences[other], sentences[last]);
        }
    }

    private Dictionary<string, int> CountWords()
    {
        Dictionary<string, int> counts = new(StringComparer.Ordinal);
        foreach (CorpusSentence sentence in _training)
        {
            foreach (string word in sentence.Words)
                CollectionsMarshal.GetValueRefOrAddDefault(counts, word, out _)++;
        }
        return counts;
    }

    private static void Trim(
        List<CorpusSentence> part, Dictionary<string, int> words, int count)
    {
        part.RemoveAll(sentence => !IsFamiliar(sentence, words));
        if (part.Count > count) part.RemoveRange(count, part.Count - count);
    }

    private static bool IsFamiliar(CorpusSentence sentence, Dictionary<string, int> words) =>
        sentence.Words.All(word =>
            words.GetValueOrDefault(word) >= EnglishRussianCorpus.MinimumOccurrences);
}
