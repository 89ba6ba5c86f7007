namespace Transformer.Models.Text.Corpus;

/// <summary>A personal pronoun.</summary>
/// <remarks>English "you" is ты throughout; "you all" is вы все and stands only as subject.
/// </remarks>
internal sealed class Pronoun : Participant
{
    private readonly string[] _russian;
    private readonly bool _addsN;

    private Pronoun(
        string english,
        string englishObject,
        Person person,
        Gender? gender,
        string[] russian,
        bool addsN = false)
    {
        English = english;
        EnglishObject = englishObject;
        Person = person;
        Gender = gender;
        _russian = russian;
        _addsN = addsN;
    }

    public static IReadOnlyList<Pronoun> All { get; } =
    [
        new("I", "me", Person.I, null, ["я", "меня", "мне", "меня", "мной"]),
        new("you", "you", Person.You, null, ["ты", "тебя", "тебе", "тебя", "тобой"]),
        new("he", "him", Person.He, Corpus.Gender.Masculine,
            ["он", "его", "ему", "его", "им"], addsN: true),
        new("she", "her", Person.He, Corpus.Gender.Feminine,
            ["она", "её", "ей", "её", "ей"], addsN: true),
        new("we", "us", Person.We, null, ["мы", "нас", "нам", "нас", "нами"]),
        new("they", "them", Person.They, null,
            ["они", "их", "им", "их", "ими"], addsN: true),
        new("you all", "you all", Person.YouAll, null, ["вы все"]),
    ];

    /// <summary>All but "you all".</summary>
    public static IReadOnlyList<Pronoun> Simple { get; } = [.. All.Take(All.Count - 1)];

    public static IReadOnlyList<Pronoun> Singular { get; } =
        [.. All.Where(pronoun => !pronoun.IsPlural)];

    public override string Key => English;

    public override string English { get; }

    public override string EnglishObject { get; }

    public override Person Person { get; }

    public override Gender? Gender { get; }

    public override string Russian(Case @case) => _russian[(int)@case];

    public override string AfterPreposition(Case @case) =>
        _addsN ? "н" + Russian(@case) : Russian(@case);
}
