namespace Transformer.Models.Text.Corpus;

/// <summary>What people are to each other, and what they are.</summary>
internal static class PersonTemplates
{
    /// <summary>"I know this doctor", "She is waiting for me", "Do you love your mother?".
    /// </summary>
    public static CorpusSentence? Feeling(Draw draw)
    {
        Verb verb = draw.Pick(Verbs.Feelings);
        Participant subject = draw.Subject();
        if (draw.Other(subject, isPlain: false) is not { } other) return null;
        Person person = subject.Person;
        string key = $"{subject.Key}|{verb.Base}|{other.Key}";
        string nominative = subject.Russian(Case.Nominative);
        string russian = Phrase.Join(verb.Present(person), other.Russian(Case.Accusative));
        bool isContinuous = verb.IsContinuous;
        switch (draw.Below(10))
        {
            case < 6:
                string present = isContinuous
                    ? Phrase.Join(Phrase.Be(person), verb.Participle)
                    : verb.Simple(person);
                return CorpusSentence.State(nameof(Feeling), key,
                    Phrase.Join(subject.English, present, other.EnglishObject),
                    Phrase.Join(nominative, russian));
            case < 8:
                string negative = isContinuous
                    ? Phrase.Join(Phrase.Be(person), "not", verb.Participle)
                    : Phrase.Join(Phrase.Do(person), "not", verb.Base);
                return CorpusSentence.State(nameof(Feeling), key,
                    Phrase.Join(subject.English, negative, other.EnglishObject),
                    Phrase.Join(nominative, "не", russian));
            default:
                return CorpusSentence.Ask(nameof(Feeling), key,
                    Phrase.Join(isContinuous ? Phrase.Be(person) : Phrase.Do(person),
                        subject.English, isContinuous ? verb.Participle : verb.Base,
                        other.EnglishObject),
                    Phrase.Join(nominative, russian));
        }
    }

    /// <summary>"I help my mother every day", "The boy is helping the teacher".</summary>
    public static CorpusSentence? Help(Draw draw)
    {
        Participant subject = draw.Subject();
        if (draw.Other(subject) is not { } other) return null;
        Verb verb = Verbs.Help;
        string key = $"{subject.Key}|{verb.Base}|{other.Key}";
        string nominative = subject.Russian(Case.Nominative);
        string dative = other.Russian(Case.Dative);
        string russian = Phrase.Join(nominative, verb.Present(subject.Person), dative);
        string simple = Phrase.Join(
            subject.English, verb.Simple(subject.Person), other.EnglishObject);
        return draw.Below(4) switch
        {
            0 => CorpusSentence.State(nameof(Help), key, simple, russian),
            1 => CorpusSentence.State(nameof(Help), key,
                simple + " every day", "каждый день " + russian),
            2 => CorpusSentence.State(nameof(Help), key,
                Phrase.Join(subject.English, Phrase.Be(subject.Person), verb.Participle,
                    other.EnglishObject, "now"),
                "сейчас " + russian),
            _ when subject.HasPast => CorpusSentence.State(nameof(Help), key,
                Phrase.Join(subject.English, Phrase.Was(subject.Person), verb.Participle,
                    other.EnglishObject),
                Phrase.Join(nominative, subject.Agree(verb.Past), dative)),
            _ => null,
        };
    }

    /// <summary>"She gives the boy a book", "He showed me a picture yesterday".</summary>
    public static CorpusSentence? Transfer(Draw draw)
    {
        Verb verb = draw.Pick(Verbs.Transfers);
        Participant subject = draw.Subject();
        if (draw.Other(subject) is not { } other) return null;
        Noun noun = draw.Pick(Things.Gifts);
        Adjective? adjective = draw.Adjective(noun, 25);
        NounPhrase thing = new(noun, Determiner.A, adjective);
        string key = $"{subject.Key}|{verb.Base}|{noun.English}";
        string nominative = subject.Russian(Case.Nominative);
        string english = Phrase.Join(other.EnglishObject, thing.English);
        string russian = Phrase.Join(
            other.Russian(Case.Dative), thing.Russian(Case.Accusative));
        if (subject.HasPast && draw.Chance(50))
        {
            return CorpusSentence.State(nameof(Transfer), key,
                Phrase.Join(subject.English, verb.EnglishPast, english, "yesterday"),
                Phrase.Join("вчера", nominative, subject.Agree(verb.PerfectivePast!), russian));
        }
        return CorpusSentence.State(nameof(Transfer), key,
            Phrase.Join(subject.English, verb.Simple(subject.Person), english),
            Phrase.Join(nominative, verb.Present(subject.Person), russian));
    }

    /// <summary>"I am a teacher", "She is not a doctor", "Are you a good singer?".</summary>
    public static CorpusSentence? Occupation(Draw draw)
    {
        Participant subject = Professional(draw);
        (string key, NounPhrase what) = OccupationOf(draw, subject);
        bool isNegative = draw.Chance(20);
        Adjective? adjective = isNegative ? null : draw.Adjective(what.Noun, 40);
        what = new(what.Noun, what.Determiner, adjective, subject.IsPlural);
        string nominative = subject.Russian(Case.Nominative);
        string be = Phrase.Be(subject.Person);
        if (isNegative)
        {
            return CorpusSentence.State(nameof(Occupation), key,
                Phrase.Join(subject.English, be, "not", what.English),
                Phrase.Join(nominative, "не", what.Russian(Case.Nominative)));
        }
        // The omitted "is" between two nouns is written as a dash, after a pronoun it is not.
        string russian = Phrase.Join(
            nominative, subject is NounPhrase ? "—" : null, what.Russian(Case.Nominative));
        return draw.Chance(25)
            ? CorpusSentence.Ask(nameof(Occupation), key,
                Phrase.Join(be, subject.English, what.English), russian)
            : CorpusSentence.State(nameof(Occupation), key,
                Phrase.Join(subject.English, be, what.English), russian);
    }

    /// <summary>Every plain "I am a student", "She is a doctor": the first sentences of the
    /// corpus.</summary>
    public static IEnumerable<CorpusSentence> PlainOccupations()
    {
        foreach (Pronoun pronoun in Pronoun.Singular)
        {
            foreach (Noun occupation in People.Occupations)
            {
                NounPhrase what = new(ForGender(occupation, pronoun), Determiner.A);
                yield return CorpusSentence.State(
                    nameof(Occupation), OccupationKey(pronoun, occupation),
                    Phrase.Join(pronoun.English, Phrase.Be(pronoun.Person), what.English),
                    Phrase.Join(pronoun.Russian(Case.Nominative),
                        what.Russian(Case.Nominative)));
            }
        }
    }

    /// <summary>"He was a student", "I will be a teacher": the instrumental.</summary>
    public static CorpusSentence? FormerOrFutureOccupation(Draw draw)
    {
        Participant subject = Professional(draw);
        (string key, NounPhrase what) = OccupationOf(draw, subject);
        string nominative = subject.Russian(Case.Nominative);
        string instrumental = what.Russian(Case.Instrumental);
        if (subject.HasPast && draw.Chance(60))
        {
            return CorpusSentence.State(nameof(FormerOrFutureOccupation), key,
                Phrase.Join(subject.English, Phrase.Was(subject.Person), what.English),
                Phrase.Join(nominative, subject.Agree(Verbs.Be.Past), instrumental));
        }
        return CorpusSentence.State(nameof(FormerOrFutureOccupation), key,
            Phrase.Join(subject.English, "will be", what.English),
            Phrase.Join(nominative, Verbs.Be.Present(subject.Person), instrumental));
    }

    /// <summary>"My son is five years old".</summary>
    public static CorpusSentence? Age(Draw draw)
    {
        Participant subject = draw.Chance(30)
            ? draw.Pick(Pronoun.Singular)
            : draw.Named(draw.Pick(People.Aged));
        Numeral age = draw.Pick(Numeral.All);
        if (subject is Pronoun && age.IsPaucal) return null;
        return CorpusSentence.State(nameof(Age), $"{subject.Key}|age|{age.English}",
            Phrase.Join(subject.English, Phrase.Be(subject.Person), age.English, "years old"),
            Phrase.Join(subject.Russian(Case.Dative), age.Russian, age.Years));
    }

    private static Participant Professional(Draw draw) => draw.Chance(60)
        ? draw.Pick(Pronoun.All)
        : draw.Named(draw.Pick(People.Professionals));

    private static (string Key, NounPhrase What) OccupationOf(Draw draw, Participant subject)
    {
        Noun occupation = draw.Pick(People.Occupations);
        Determiner determiner = subject.IsPlural ? Determiner.None : Determiner.A;
        return (OccupationKey(subject, occupation),
            new(ForGender(occupation, subject), determiner, null, subject.IsPlural));
    }

    private static Noun ForGender(Noun occupation, Participant subject) =>
        subject is { Gender: Gender.Feminine, IsPlural: false }
            ? occupation.Female ?? occupation
            : occupation;

    /// <summary>The combination that all sentences on one subject's occupation share.</summary>
    public static string OccupationKey(Participant subject, Noun occupation) =>
        $"{subject.Key}|be|{occupation.English}";
}
