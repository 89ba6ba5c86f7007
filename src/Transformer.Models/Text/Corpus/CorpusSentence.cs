namespace Transformer.Models.Text.Corpus;

/// <summary>A pair with what the split needs to know of it.</summary>
/// <param name="Template">Name of the template that made it.</param>
/// <param name="Pair">English and Russian.</param>
/// <param name="Keys">The combinations of content words in it, such as "boy|read|book"; they
/// decide the part of the corpus.</param>
internal sealed record CorpusSentence(
    string Template, SentencePair Pair, IReadOnlyList<string> Keys)
{
    /// <summary>The words of both languages; punctuation marks are none.</summary>
    public IEnumerable<string> Words =>
        WordsOf(Pair.Source).Concat(WordsOf(Pair.Target));

    /// <summary>The words of a sentence as they are written, without punctuation marks.</summary>
    public static string[] WordsOf(string sentence) =>
        sentence.Split([' ', ',', '?', '—'], StringSplitOptions.RemoveEmptyEntries);

    /// <summary>A statement from the words of both languages; no full stop ends it.</summary>
    public static CorpusSentence State(string template, string key, string english, string russian)
        => new(template, new(Phrase.Capitalise(english), Phrase.Capitalise(russian)), [key]);

    /// <summary>A question.</summary>
    public static CorpusSentence Ask(string template, string key, string english, string russian)
        => State(template, key, english + "?", russian + "?");
}
