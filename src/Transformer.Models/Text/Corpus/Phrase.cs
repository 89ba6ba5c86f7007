namespace Transformer.Models.Text.Corpus;

/// <summary>Small rules of spelling and agreement of both languages.</summary>
internal static class Phrase
{
    private const string Vowels = "аеёиоуыэюя";

    /// <summary>The words that are not empty, with spaces between.</summary>
    public static string Join(params ReadOnlySpan<string?> words)
    {
        List<string> present = new(words.Length);
        foreach (string? word in words)
            if (!string.IsNullOrEmpty(word)) present.Add(word);
        return string.Join(' ', present);
    }

    public static string Capitalise(string text) =>
        string.Concat([char.ToUpperInvariant(text[0])], text.AsSpan(1));

    public static string Article(string next) => "aeiou".Contains(next[0]) ? "an" : "a";

    public static string Be(Person person) => person switch
    {
        Person.I => "am",
        Person.He => "is",
        _ => "are",
    };

    public static string Was(Person person) => person is Person.I or Person.He ? "was" : "were";

    public static string Do(Person person) => person == Person.He ? "does" : "do";

    public static string Have(Person person) => person == Person.He ? "has" : "have";

    /// <summary>с and the instrumental; со before two consonants of which the first is a
    /// sibilant, and in "со мной".</summary>
    public static string With(string instrumental) =>
        instrumental == "мной" || (StartsWithTwoConsonants(instrumental) &&
            "сзшж".Contains(instrumental[0]))
            ? "со " + instrumental
            : "с " + instrumental;

    /// <summary>в or на, with во before two consonants where it is usual.</summary>
    /// <param name="place">The noun, which chooses the preposition.</param>
    /// <param name="form">Its phrase in the case wanted.</param>
    public static string At(Noun place, string form)
    {
        if (place.TakesNa) return "на " + form;
        bool takesVo = form.StartsWith("двор", StringComparison.Ordinal) ||
            (StartsWithTwoConsonants(form) && "вф".Contains(form[0]));
        return (takesVo ? "во " : "в ") + form;
    }

    private static bool StartsWithTwoConsonants(string word) =>
        !Vowels.Contains(word[0]) && !Vowels.Contains(word[1]);
}
