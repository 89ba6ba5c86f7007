namespace Transformer.Models.Text.Corpus;

/// <summary>What people have and like, and what things are like.</summary>
internal static class PossessionTemplates
{
    private const int MostSiblings = 5;

    private static readonly Noun[] s_owned =
        [.. Things.Belongings, .. Things.Animals, .. People.Siblings];

    private static readonly Noun[] s_liked =
    [
        .. Things.Belongings, .. Things.Readings, .. Things.Drinks, .. Things.Foods,
        .. Things.Animals, .. Places.Sights,
    ];

    private static readonly Noun[] s_described =
    [
        .. Things.Belongings, .. Things.Readings, .. Things.Drinks, .. Things.Foods,
        .. Things.Openings, .. Things.Animals, .. Places.Sights,
    ];

    /// <summary>"I have a new car", "She did not have a dog", "Do you have a key?".</summary>
    public static CorpusSentence? Have(Draw draw)
    {
        Participant owner = draw.Declined();
        Noun noun = draw.Pick(s_owned);
        if (noun.English == owner.Key) return null;
        Adjective? adjective = draw.Adjective(noun, 50);
        bool isPlural = draw.Chance(20);
        NounPhrase what = new(
            noun, isPlural ? Determiner.None : Determiner.A, adjective, isPlural);
        Person person = owner.Person;
        string key = $"{owner.Key}|have|{noun.English}";
        string with = "у " + owner.AfterPreposition(Case.Genitive);
        string nominative = what.Russian(Case.Nominative);
        string genitive = what.Russian(Case.Genitive);
        (string english, string russian) = draw.Below(10) switch
        {
            < 4 => (Phrase.Have(person), "есть " + nominative),
            < 6 => (Phrase.Do(person) + " not have", "нет " + genitive),
            6 => ("had", $"{what.Agree(Verbs.Be.Past)} {nominative}"),
            7 => ("did not have", "не было " + genitive),
            8 => ("will have", $"{Verbs.Be.Present(what.Person)} {nominative}"),
            _ => ("", ""),
        };
        return english.Length > 0
            ? CorpusSentence.State(nameof(Have), key,
                Phrase.Join(owner.English, english, what.English), Phrase.Join(with, russian))
            : CorpusSentence.Ask(nameof(Have), key,
                Phrase.Join(Phrase.Do(person), owner.English, "have", what.English),
                Phrase.Join(with, "есть", nominative));
    }

    /// <summary>"My brother has two new books".</summary>
    public static CorpusSentence? HaveCount(Draw draw)
    {
        Participant owner = draw.Declined();
        Noun noun = draw.Pick(s_owned);
        if (noun.English == owner.Key) return null;
        Numeral number = draw.Pick(Numeral.All);
        if (People.Siblings.Contains(noun) && number.Value > MostSiblings) return null;
        Adjective? adjective = draw.Adjective(noun, 30);
        return CorpusSentence.State(nameof(HaveCount),
            $"{owner.Key}|have|{noun.English}",
            Phrase.Join(owner.English, Phrase.Have(owner.Person), number.English,
                adjective?.English, noun.EnglishPlural),
            Phrase.Join("у", owner.AfterPreposition(Case.Genitive), "есть",
                number.Count(noun, adjective)));
    }

    /// <summary>"I like this book": the thing is the Russian subject, the person a dative.
    /// </summary>
    public static CorpusSentence? Like(Draw draw)
    {
        Participant person = draw.Declined();
        Noun noun = draw.Pick(s_liked);
        NounPhrase what = noun.IsMass
            ? new(noun, Determiner.None, draw.Adjective(noun, 50))
            : draw.Known(noun, adjectivePercent: 30);
        if (person is NounPhrase or { Person: Person.He or Person.They } && what.IsTheirs)
            return null;
        string key = $"{person.Key}|like|{noun.English}";
        string dative = person.Russian(Case.Dative);
        string russian = Phrase.Join(
            what.IsPlural ? "нравятся" : "нравится", what.Russian(Case.Nominative));
        return draw.Below(10) switch
        {
            < 6 => CorpusSentence.State(nameof(Like), key,
                Phrase.Join(person.English, person.Person == Person.He ? "likes" : "like",
                    what.English),
                Phrase.Join(dative, russian)),
            < 8 => CorpusSentence.State(nameof(Like), key,
                Phrase.Join(person.English, Phrase.Do(person.Person), "not like", what.English),
                Phrase.Join(dative, "не", russian)),
            _ => CorpusSentence.Ask(nameof(Like), key,
                Phrase.Join(Phrase.Do(person.Person), person.English, "like", what.English),
                Phrase.Join(dative, russian)),
        };
    }

    /// <summary>"The house is very big", "My car was new", "Is the tea hot?".</summary>
    public static CorpusSentence? Description(Draw draw)
    {
        Noun noun = draw.Pick(s_described);
        NounPhrase what = draw.Known(noun, adjectivePercent: 0);
        Adjective adjective = draw.Pick(noun.Adjectives);
        string key = $"{noun.English}|is|{adjective.English}";
        string nominative = what.Russian(Case.Nominative);
        string be = Phrase.Be(what.Person);
        string Agreed(Case @case) =>
            adjective.Forms.Agree(noun.Gender, noun.IsAnimate, what.IsPlural, @case);
        bool hasVery = adjective.IsGradable && draw.Chance(35);
        return draw.Below(10) switch
        {
            < 5 => CorpusSentence.State(nameof(Description), key,
                Phrase.Join(what.English, be, hasVery ? "very" : null, adjective.English),
                Phrase.Join(nominative, hasVery ? "очень" : null, Agreed(Case.Nominative))),
            < 7 when !what.IsPlural => CorpusSentence.State(nameof(Description), key,
                Phrase.Join(what.English, Phrase.Was(what.Person), adjective.English),
                Phrase.Join(nominative, what.Agree(Verbs.Be.Past),
                    Agreed(Case.Instrumental))),
            7 when adjective.IsGradable => CorpusSentence.State(nameof(Description), key,
                Phrase.Join(what.English, be, "not very", adjective.English),
                Phrase.Join(nominative, "не очень", Agreed(Case.Nominative))),
            _ => CorpusSentence.Ask(nameof(Description), key,
                Phrase.Join(be, what.English, adjective.English),
                Phrase.Join(nominative, Agreed(Case.Nominative))),
        };
    }

    /// <summary>"This is my new book", "These are your keys".</summary>
    public static CorpusSentence? Identification(Draw draw)
    {
        Noun noun = draw.Pick(s_owned);
        bool isPlural = draw.Chance(35);
        Adjective? adjective = draw.Adjective(noun, 40);
        NounPhrase what = new(noun, draw.Possessive(null), adjective, isPlural);
        string key = $"this|{what.Determiner}|{noun.English}";
        string russian = Phrase.Join("это", what.Russian(Case.Nominative));
        return draw.Chance(30)
            ? CorpusSentence.Ask(nameof(Identification), key,
                Phrase.Join(isPlural ? "are these" : "is this", what.English), russian)
            : CorpusSentence.State(nameof(Identification), key,
                Phrase.Join(isPlural ? "these are" : "this is", what.English), russian);
    }
}
