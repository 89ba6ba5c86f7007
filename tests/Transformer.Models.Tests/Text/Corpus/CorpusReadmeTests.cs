using System.Text.RegularExpressions;
using Transformer.Models.Text;
using Transformer.Models.Text.Corpus;

namespace Transformer.Models.Tests.Text.Corpus;

/// <summary>The figures and examples in the corpus's README are those of the corpus.</summary>
public sealed partial class CorpusReadmeTests
{
    private static readonly string s_readme = File.ReadAllText(
        Path.Combine(RepositoryRoot(), "src/Transformer.Models/Text/Corpus/README.md"));

    private static readonly List<CorpusSentence> s_sentences = Sentences();

    [Fact]
    public void Readme_counts_the_pairs_of_every_template()
    {
        Dictionary<string, int> written = Row().Matches(s_readme).ToDictionary(
            row => row.Groups[1].Value, row => int.Parse(row.Groups[2].Value));
        Assert.Equal(
            s_sentences.CountBy(sentence => sentence.Template).OrderBy(entry => entry.Key),
            written.OrderBy(entry => entry.Key));
    }

    [Fact]
    public void Readme_examples_are_sentences_of_the_corpus()
    {
        HashSet<SentencePair> pairs = [.. s_sentences.Select(sentence => sentence.Pair)];
        MatchCollection examples = Example().Matches(s_readme);
        Assert.True(examples.Count >= 25, $"{examples.Count} examples");
        Assert.All(examples, example => Assert.Contains(
            new SentencePair(example.Groups[1].Value, example.Groups[2].Value), pairs));
    }

    [Fact]
    public void Readme_gives_the_sizes_of_both_vocabularies()
    {
        int english = s_sentences.SelectMany(s => CorpusSentence.WordsOf(s.Pair.Source))
            .Distinct().Count();
        int russian = s_sentences.SelectMany(s => CorpusSentence.WordsOf(s.Pair.Target))
            .Distinct().Count();
        Assert.Contains($"{english} English and {russian} Russian words", s_readme);
    }

    private static List<CorpusSentence> Sentences()
    {
        EnglishRussianCorpus corpus = EnglishRussianCorpus.Generate();
        return [.. corpus.TrainingSentences, .. corpus.ValidationSentences,
            .. corpus.TestSentences];
    }

    private static string RepositoryRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Transformer.sln")))
            folder = folder.Parent;
        return folder?.FullName ??
            throw new DirectoryNotFoundException($"No solution above {AppContext.BaseDirectory}.");
    }

    [GeneratedRegex(@"^\| (\w+) \| .* \| (\d+) \|$", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex(@"(?:\| |· )([A-Z][A-Za-z ?]*?) → ([^|·]*?)(?= \||  *·)")]
    private static partial Regex Example();
}
