namespace Transformer.Models.Text.Corpus;

/// <summary>Where someone does something, where one goes, and where things are.</summary>
internal static class PlaceTemplates
{
    /// <summary>"The doctor works in the new hospital", "I was playing in the park".</summary>
    public static CorpusSentence? Activity(Draw draw)
    {
        (Verb verb, IReadOnlyList<Noun> places) = draw.Pick(Verbs.Activities);
        Participant subject = draw.Subject(adult: !verb.SuitsChildren);
        Noun noun = draw.Pick(places);
        NounPhrase place = draw.Place(subject, noun);
        Participant? company = verb.HasCompany && place.Adjective is null && draw.Chance(30)
            ? draw.Other(subject)
            : null;
        Person person = subject.Person;
        string key = $"{subject.Key}|{verb.Base}|{noun.English}";
        string where = Phrase.Join(noun.At, place.English,
            company is null ? null : "with " + company.EnglishObject);
        string whereRussian = Phrase.Join(
            Phrase.At(noun, place.Russian(Case.Prepositional)),
            company is null
                ? null
                : Phrase.With(company.AfterPreposition(Case.Instrumental)));
        string nominative = subject.Russian(Case.Nominative);
        (string? english, string russian) = draw.Below(10) switch
        {
            < 3 => (verb.Simple(person), verb.Present(person)),
            < 6 when verb.IsContinuous => (
                Phrase.Join(Phrase.Be(person), verb.Participle), verb.Present(person)),
            6 => (Phrase.Join(Phrase.Do(person), "not", verb.Base),
                Phrase.Join("не", verb.Present(person))),
            7 => (Phrase.Join("will", verb.Base),
                Phrase.Join(Verbs.Be.Present(person), verb.Infinitive)),
            > 7 when subject.HasPast => (verb.EnglishPast, subject.Agree(verb.Past)),
            _ => (null, ""),
        };
        return english is null
            ? null
            : CorpusSentence.State(nameof(Activity), key,
                Phrase.Join(subject.English, english, where),
                Phrase.Join(nominative, russian, whereRussian));
    }

    /// <summary>"Where does the doctor work?": a noun follows the Russian verb, a pronoun stands
    /// before it.</summary>
    public static CorpusSentence? WhereDoes(Draw draw)
    {
        (Verb verb, _) = draw.Pick(Verbs.Activities);
        Participant subject = draw.Subject(adult: !verb.SuitsChildren);
        Person person = subject.Person;
        bool isContinuous = verb.IsContinuous && draw.Chance(50);
        string nominative = subject.Russian(Case.Nominative);
        string present = verb.Present(person);
        return CorpusSentence.Ask(nameof(WhereDoes), $"{subject.Key}|{verb.Base}|where",
            Phrase.Join("where", isContinuous ? Phrase.Be(person) : Phrase.Do(person),
                subject.English, isContinuous ? verb.Participle : verb.Base),
            subject is Pronoun
                ? Phrase.Join("где", nominative, present)
                : Phrase.Join("где", present, nominative));
    }

    /// <summary>"I go to school every day", "I am going", "I went yesterday", "I will go
    /// tomorrow": ходить both ways, идти under way, пойти to set off.</summary>
    public static CorpusSentence? Motion(Draw draw)
    {
        Participant subject = draw.Subject();
        Noun noun = draw.Pick(Places.Destinations);
        NounPhrase place = draw.Place(null, noun);
        Participant? company = place.Adjective is null && draw.Chance(35)
            ? draw.Other(subject)
            : null;
        Person person = subject.Person;
        (string? go, string time, string timeRussian, string goRussian) = draw.Below(4) switch
        {
            0 => (Verbs.GoOften.Simple(person), "every day", "каждый день",
                Verbs.GoOften.Present(person)),
            1 => (Phrase.Join(Phrase.Be(person), Verbs.GoNow.Participle), "now", "сейчас",
                Verbs.GoNow.Present(person)),
            2 => (Phrase.Join("will", Verbs.SetOff.Base), "tomorrow", "завтра",
                Verbs.SetOff.Present(person)),
            _ when subject.HasPast => (Verbs.GoOften.EnglishPast, "yesterday", "вчера",
                subject.Agree(Verbs.GoOften.Past)),
            _ => (null, "", "", ""),
        };
        if (go is null) return null;
        return CorpusSentence.State(nameof(Motion), $"{subject.Key}|go|{noun.English}",
            Phrase.Join(subject.English, go, "to", place.English,
                company is null ? null : "with " + company.EnglishObject, time),
            Phrase.Join(timeRussian, subject.Russian(Case.Nominative), goRussian,
                Phrase.At(noun, place.Russian(Case.Accusative)),
                company is null
                    ? null
                    : Phrase.With(company.AfterPreposition(Case.Instrumental))));
    }

    /// <summary>"The new book is on the table", "Was the cat in the garden?".</summary>
    public static CorpusSentence? Location(Draw draw)
    {
        (Noun noun, Noun place) = Placed(draw, withAnimals: true);
        NounPhrase what = draw.Known(noun, adjectivePercent: 25);
        string where = $"{place.At} the {place.English}";
        string whereRussian = Phrase.At(place, place.Russian(Case.Prepositional, isPlural: false));
        string nominative = what.Russian(Case.Nominative);
        string key = $"{noun.English}|at|{place.English}";
        string be = Phrase.Be(what.Person);
        return draw.Below(5) switch
        {
            < 2 => CorpusSentence.State(nameof(Location), key,
                Phrase.Join(what.English, be, where), Phrase.Join(nominative, whereRussian)),
            2 => CorpusSentence.Ask(nameof(Location), key,
                Phrase.Join(be, what.English, where), Phrase.Join(nominative, whereRussian)),
            3 => CorpusSentence.State(nameof(Location), key,
                Phrase.Join(what.English, Phrase.Was(what.Person), where),
                Phrase.Join(nominative, what.Agree(Verbs.Be.Past), whereRussian)),
            _ => CorpusSentence.State(nameof(Location), key,
                Phrase.Join(what.English, be, "not", where),
                Phrase.Join(nominative, "не", whereRussian)),
        };
    }

    /// <summary>"Where is my key?".</summary>
    public static CorpusSentence? WhereIs(Draw draw)
    {
        Noun noun = draw.Chance(60) ? draw.Pick(Things.SmallThings) : draw.Pick(Things.Belongings);
        NounPhrase what = draw.Known(noun, adjectivePercent: 30);
        return CorpusSentence.Ask(nameof(WhereIs), $"{noun.English}|where",
            Phrase.Join("where", Phrase.Be(what.Person), what.English),
            Phrase.Join("где", what.Russian(Case.Nominative)));
    }

    /// <summary>"There is a book on the table": лежит or стоит as the thing does; "There are
    /// two keys in the bag", "There is no lamp in the room".</summary>
    public static CorpusSentence? Existence(Draw draw)
    {
        (Noun noun, Noun place) = Placed(draw, withAnimals: false);
        Adjective? adjective = draw.Adjective(noun, 40);
        NounPhrase thing = new(noun, Determiner.A, adjective);
        string where = $"{place.At} the {place.English}";
        string whereRussian = Phrase.At(place, place.Russian(Case.Prepositional, isPlural: false));
        string key = $"{noun.English}|there|{place.English}";
        int kind = draw.Below(5);
        if (kind < 2)
        {
            return CorpusSentence.State(nameof(Existence), key,
                Phrase.Join("there is", thing.English, where),
                Phrase.Join(whereRussian, noun.Lies ? "лежит" : "стоит",
                    thing.Russian(Case.Nominative)));
        }
        if (kind == 2)
        {
            return CorpusSentence.State(nameof(Existence), key,
                Phrase.Join("there is no", adjective?.English, noun.English, where),
                Phrase.Join(whereRussian, "нет", thing.Russian(Case.Genitive)));
        }
        Numeral number = draw.Pick(Numeral.All);
        string verb = number.IsPaucal
            ? noun.Lies ? "лежат" : "стоят"
            : noun.Lies ? "лежит" : "стоит";
        return CorpusSentence.State(nameof(Existence), key,
            Phrase.Join("there are", number.English, adjective?.English, noun.EnglishPlural, where),
            Phrase.Join(whereRussian, verb, number.Count(noun, adjective)));
    }

    private static (Noun Thing, Noun Place) Placed(Draw draw, bool withAnimals)
    {
        (IReadOnlyList<Noun> things, IReadOnlyList<Noun> places) = draw.Below(10) switch
        {
            < 5 => (Things.SmallThings, Things.Surfaces),
            < 7 => (Things.TinyThings, Things.Containers),
            7 when withAnimals => (Things.Animals, Places.Grounds),
            _ => (Things.Furniture, Places.Rooms),
        };
        return (draw.Pick(things), draw.Pick(places));
    }
}
