namespace Transformer.Models.Text.Corpus;

/// <summary>A noun in both languages, with the full Russian declension.</summary>
internal sealed class Noun
{
    private readonly string[] _singular;
    private readonly string[] _plural;

    /// <param name="english">Singular.</param>
    /// <param name="englishPlural">Plural; null for a mass noun.</param>
    /// <param name="gender">Russian gender.</param>
    /// <param name="singular">Six singular cases: nominative, genitive, dative, accusative,
    /// instrumental, prepositional.</param>
    /// <param name="plural">The same of the plural; null for a mass noun.</param>
    /// <param name="adjectives">English names of the adjectives that make sense with it.</param>
    public Noun(
        string english,
        string? englishPlural,
        Gender gender,
        string singular,
        string? plural,
        string adjectives)
    {
        English = english;
        EnglishPlural = englishPlural;
        Gender = gender;
        _singular = Split(singular);
        _plural = plural is null ? [] : Split(plural);
        Adjectives = [.. adjectives.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(name => Corpus.Adjectives.ByName[name])];
    }

    public string English { get; }

    public string? EnglishPlural { get; }

    public Gender Gender { get; }

    public bool IsMass => EnglishPlural is null;

    public bool IsAnimate { get; init; }

    /// <summary>The verb of position that a thing takes: лежать (true) or стоять.</summary>
    public bool Lies { get; init; } = true;

    /// <summary>A place that takes на; others take в.</summary>
    public bool TakesNa { get; init; }

    /// <summary>The English preposition of place.</summary>
    public string At { get; init; } = "in";

    /// <summary>The word that replaces this one where it names a woman's occupation.</summary>
    public Noun? Female { get; init; }

    public IReadOnlyList<Adjective> Adjectives { get; }

    public string Russian(Case @case, bool isPlural) =>
        (isPlural ? _plural : _singular)[(int)@case];

    private string[] Split(string forms)
    {
        string[] words = forms.Split(' ');
        return words.Length == 6
            ? words
            : throw new ArgumentException($"'{forms}' has {words.Length} forms; expected 6.");
    }
}
