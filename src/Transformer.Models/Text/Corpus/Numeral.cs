namespace Transformer.Models.Text.Corpus;

/// <summary>A number of things and the form of the noun that it governs.</summary>
internal sealed record Numeral(string English, int Value, string Russian)
{
    public static IReadOnlyList<Numeral> All { get; } =
    [
        new("two", 2, "два"), new("three", 3, "три"), new("four", 4, "четыре"),
        new("five", 5, "пять"), new("six", 6, "шесть"), new("seven", 7, "семь"),
        new("eight", 8, "восемь"), new("nine", 9, "девять"), new("ten", 10, "десять"),
    ];

    /// <summary>Two to four take the genitive singular, five and more the plural.</summary>
    public bool IsPaucal => Value < 5;

    /// <summary>The Russian word for years after this number.</summary>
    public string Years => IsPaucal ? "года" : "лет";

    /// <summary>The counted things in the nominative: "две новые книги", "пять книг".</summary>
    public string Count(Noun noun, Adjective? adjective)
    {
        string number = Value == 2 && noun.Gender == Gender.Feminine ? "две" : Russian;
        Case adjectiveCase = IsPaucal && noun.Gender == Gender.Feminine
            ? Case.Nominative
            : Case.Genitive;
        return Phrase.Join(
            number,
            adjective?.Forms.Agree(noun.Gender, noun.IsAnimate, isPlural: true, adjectiveCase),
            noun.Russian(Case.Genitive, isPlural: !IsPaucal));
    }
}
