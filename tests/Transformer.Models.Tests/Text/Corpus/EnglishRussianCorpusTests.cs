using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Transformer.Models.Text;
using Transformer.Models.Text.Corpus;

namespace Transformer.Models.Tests.Text.Corpus;

public sealed partial class EnglishRussianCorpusTests
{
    private static readonly EnglishRussianCorpus s_corpus = EnglishRussianCorpus.Generate();

    private static IEnumerable<SentencePair> All =>
        s_corpus.Training.Concat(s_corpus.Validation).Concat(s_corpus.Test);

    [Fact]
    public void Default_has_at_least_20000_training_pairs_and_500_in_each_held_out_part()
    {
        Assert.Equal(23_000, s_corpus.Training.Count);
        Assert.Equal(500, s_corpus.Validation.Count);
        Assert.Equal(500, s_corpus.Test.Count);
    }

    [Fact]
    public void Sources_are_distinct_over_all_parts() =>
        Assert.Equal(24_000, All.Select(pair => pair.Source).Distinct().Count());

    [Fact]
    public void Source_has_the_same_translation_under_every_seed()
    {
        Dictionary<string, string> translations = All.ToDictionary(p => p.Source, p => p.Target);
        int shared = 0;
        for (ulong seed = 1; seed <= 4; seed++)
        {
            EnglishRussianCorpus other = EnglishRussianCorpus.Generate(seed: seed);
            foreach (SentencePair pair in other.Training.Concat(other.Test))
            {
                if (translations.TryAdd(pair.Source, pair.Target)) continue;
                Assert.Equal(translations[pair.Source], pair.Target);
                shared++;
            }
        }
        Assert.True(shared > 10_000, $"only {shared} sentences occurred twice");
    }

    [Fact]
    public void Same_arguments_give_the_same_corpus_on_every_platform()
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (SentencePair pair in All)
            hash.AppendData(Encoding.UTF8.GetBytes($"{pair.Source}\t{pair.Target}\n"));
        Assert.Equal(
            "D27DCAC5BB62A31709B16118F2A4A89C3373DFE5FFC7E8DD70FB0090135963F6",
            Convert.ToHexString(hash.GetHashAndReset()));
    }

    [Fact]
    public void Seeds_choose_other_sentences()
    {
        EnglishRussianCorpus other = EnglishRussianCorpus.Generate(seed: 1);
        Assert.NotEqual(s_corpus.Training, other.Training);
        Assert.NotEqual(s_corpus.Test, other.Test);
    }

    [Fact]
    public void Student_is_held_out_and_its_neighbours_are_trained()
    {
        Assert.Equal(new SentencePair("I am a student", "Я студент"), s_corpus.Test[0]);
        Assert.DoesNotContain(s_corpus.Training, pair => pair.Target.StartsWith("Я студент"));
        Assert.Contains(new SentencePair("I am a teacher", "Я учитель"), s_corpus.Training);
        Assert.Contains(new SentencePair("You are a student", "Ты студент"), s_corpus.Training);
        Assert.Contains(new SentencePair("He is a student", "Он студент"), s_corpus.Training);
        Assert.Contains(new SentencePair("She is a student", "Она студентка"), s_corpus.Training);
    }

    [Fact]
    public void Held_out_sentence_has_a_combination_that_training_lacks()
    {
        HashSet<string> trained = Keys(s_corpus.TrainingSentences);
        HashSet<string> validated = Keys(s_corpus.ValidationSentences);
        validated.ExceptWith(trained);
        foreach (CorpusSentence sentence in s_corpus.ValidationSentences)
            Assert.Contains(sentence.Keys, key => !trained.Contains(key));
        foreach (CorpusSentence sentence in s_corpus.TestSentences)
        {
            Assert.Contains(sentence.Keys, key => !trained.Contains(key));
            Assert.DoesNotContain(sentence.Keys, validated.Contains);
        }
    }

    /// <summary>The same on the text alone, for one template that is easily read back.</summary>
    [Fact]
    public void Person_place_and_activity_of_a_test_sentence_never_meet_in_training()
    {
        HashSet<string> trained = [.. Triples(s_corpus.Training)];
        List<string> tested = [.. Triples(s_corpus.Test)];
        Assert.True(trained.Count > 100, $"{trained.Count} trained triples");
        Assert.True(tested.Count > 5, $"{tested.Count} tested triples");
        Assert.DoesNotContain(tested, trained.Contains);
    }

    [Fact]
    public void Every_word_of_a_held_out_sentence_occurs_in_training_twenty_times()
    {
        Dictionary<string, int> counts = s_corpus.Training.SelectMany(Words).CountBy(word => word)
            .ToDictionary();
        foreach (SentencePair pair in s_corpus.Validation.Concat(s_corpus.Test))
        {
            foreach (string word in Words(pair))
                Assert.True(counts.GetValueOrDefault(word) >= 20, $"'{word}' in {pair}");
        }
    }

    [Fact]
    public void Vocabularies_are_small()
    {
        int english = All.SelectMany(p => Word().Matches(p.Source)).CountBy(m => m.Value).Count();
        int russian = All.SelectMany(p => Word().Matches(p.Target)).CountBy(m => m.Value).Count();
        Assert.InRange(english, 200, 350);
        Assert.InRange(russian, 600, 900);
    }

    [Fact]
    public void Sentences_are_spelled_with_one_alphabet_and_opened_by_a_capital()
    {
        foreach (SentencePair pair in All)
        {
            Assert.Matches(English(), pair.Source);
            Assert.Matches(Russian(), pair.Target);
            Assert.Equal(pair.Source.EndsWith('?'), pair.Target.EndsWith('?'));
            Assert.InRange(Word().Count(pair.Source), 3, 12);
            Assert.InRange(Word().Count(pair.Target), 2, 12);
        }
    }

    [Fact]
    public void Every_template_is_in_training_and_in_test()
    {
        Assert.Equal(25, s_corpus.TrainingSentences.CountBy(s => s.Template).Count());
        Assert.Equal(25, s_corpus.TestSentences.CountBy(s => s.Template).Count());
    }

    [Theory]
    [InlineData(6_000)]
    [InlineData(40_000)]
    public void Count_is_respected_and_words_stay_familiar(int pairs)
    {
        EnglishRussianCorpus corpus = EnglishRussianCorpus.Generate(pairs, seed: 3);
        Assert.Equal(pairs - 1000, corpus.Training.Count);
        Assert.Equal(500, corpus.Validation.Count);
        Assert.Equal(500, corpus.Test.Count);
        HashSet<string> trained = [.. corpus.Training.SelectMany(Words)];
        Assert.All(corpus.Test.SelectMany(Words), word => Assert.Contains(word, trained));
    }

    [Theory]
    [InlineData(5_999)]
    [InlineData(100_001)]
    [InlineData(-1)]
    public void Count_out_of_range_is_refused(int pairs)
    {
        ArgumentOutOfRangeException error = Assert.Throws<ArgumentOutOfRangeException>(
            () => EnglishRussianCorpus.Generate(pairs));
        Assert.Equal(
            $"EnglishRussianCorpus: 'pairs' is {pairs}; expected 6000 to 100000.", error.Message);
    }

    [Fact]
    public void Generation_is_fast() =>
        // Usually 0.2 s.
        QuietMoment.Within(
            TimeSpan.FromSeconds(2), _ => EnglishRussianCorpus.Generate(seed: 5));

    private static HashSet<string> Keys(IEnumerable<CorpusSentence> sentences) =>
        [.. sentences.SelectMany(sentence => sentence.Keys)];

    private static IEnumerable<string> Words(SentencePair pair) =>
        Word().Matches(pair.Source).Concat(Word().Matches(pair.Target)).Select(m => m.Value);

    private static IEnumerable<string> Triples(IEnumerable<SentencePair> pairs)
    {
        foreach (SentencePair pair in pairs)
        {
            Match match = ActivitySentence().Match(pair.Source);
            if (match.Success)
                yield return $"{match.Groups[1]} {match.Groups[2]} {match.Groups[3]}";
        }
    }

    [GeneratedRegex(@"\w+")]
    private static partial Regex Word();

    [GeneratedRegex(@"^[A-Z][A-Za-z]*( [A-Za-z]+)+\??$")]
    private static partial Regex English();

    [GeneratedRegex("^[А-ЯЁ][а-яё]*( —|,? [а-яё]+)+[?]?$")]
    private static partial Regex Russian();

    [GeneratedRegex("(\\w+) (?:will |does not |do not |is |are )?" +
        "(live|work|sleep|play|walk)(?:s|ed|d|ing)? (?:in|at) (?:the|my|your) (\\w+)$")]
    private static partial Regex ActivitySentence();
}
