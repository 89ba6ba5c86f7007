namespace Transformer.Models.Text.Corpus;

/// <summary>Draws the parts of a sentence at random, so that they fit each other.</summary>
internal sealed class Draw(SplitMix64 random)
{
    private static readonly Determiner[] s_possessives =
    [
        Determiner.My, Determiner.Your, Determiner.His, Determiner.Her, Determiner.Our,
        Determiner.Their,
    ];

    public bool Chance(int percent) => random.Chance(percent);

    public int Below(int bound) => random.Below(bound);

    public T Pick<T>(IReadOnlyList<T> items) => random.Pick(items);

    /// <summary>Who acts, in the nominative.</summary>
    /// <param name="adult">No child: for trade, cooking and work.</param>
    public Participant Subject(bool adult = false) =>
        Chance(45) ? Pick(Pronoun.All) : Person(null, adult);

    /// <summary>A participant that also has the other cases: no "you all".</summary>
    public Participant Declined() => Chance(45) ? Pick(Pronoun.Simple) : Person(null);

    /// <summary>A person other than the subject, as its object.</summary>
    public Participant? Other(Participant subject)
    {
        if (!Chance(25))
        {
            NounPhrase person = Person(subject);
            return person.Key == subject.Key ? null : person;
        }
        Pronoun pronoun = Pick(Pronoun.Simple);
        return Circle(pronoun.Person) == Circle(subject.Person) ? null : pronoun;
    }

    /// <summary>A named person.</summary>
    /// <param name="subject">Subject of the clause if the person is not; it chooses свой.</param>
    /// <param name="adult">No child.</param>
    public NounPhrase Person(Participant? subject, bool adult = false)
    {
        while (true)
        {
            bool isKin = Chance(50);
            Noun noun = Pick(isKin ? People.Kin : People.Others);
            if (adult && People.Young.Contains(noun)) continue;
            bool isPlural = People.Groups.Contains(noun) && Chance(35);
            Adjective? adjective = Chance(12) ? Pick(noun.Adjectives) : null;
            Determiner determiner = isKin
                ? Possessive(subject)
                : Chance(75) ? Determiner.The : Determiner.This;
            return Own(subject, noun, determiner, adjective, isPlural);
        }
    }

    /// <summary>One person of a kind: "my brother", "this woman".</summary>
    public NounPhrase Named(Noun noun) => new(noun, People.Kin.Contains(noun)
        ? Possessive(null)
        : Chance(60) ? Determiner.The : Determiner.This);

    /// <summary>A thing or animal as object of a subject.</summary>
    public NounPhrase Object(Participant subject, Noun noun)
    {
        Adjective? adjective = Chance(35) ? Pick(noun.Adjectives) : null;
        if (noun.IsMass) return new(noun, Determiner.None, adjective);
        bool isPlural = Chance(25);
        Determiner determiner = Below(100) switch
        {
            < 45 => isPlural ? Determiner.None : Determiner.A,
            < 65 => Determiner.The,
            < 80 => Determiner.This,
            _ => Possessive(subject),
        };
        return Own(subject, noun, determiner, adjective, isPlural);
    }

    /// <summary>A thing in the nominative that is spoken of as known.</summary>
    public NounPhrase Known(Noun noun, int adjectivePercent)
    {
        Adjective? adjective = Chance(adjectivePercent) ? Pick(noun.Adjectives) : null;
        bool isPlural = !noun.IsMass && Chance(25);
        Determiner determiner = Below(100) switch
        {
            < 45 => Determiner.The,
            < 65 when !noun.IsMass => Determiner.This,
            _ => Possessive(null),
        };
        return new(noun, determiner, adjective, isPlural);
    }

    /// <summary>A place where the subject is.</summary>
    public NounPhrase Place(Participant? subject, Noun noun)
    {
        if (subject is not null && Places.Homes.Contains(noun) && Chance(40))
            return Own(subject, noun, Possessive(subject), null, isPlural: false);
        return Chance(25)
            ? new(noun, Chance(50) ? Determiner.A : Determiner.The, Pick(noun.Adjectives))
            : new(noun, Determiner.The);
    }

    private static NounPhrase Own(
        Participant? subject,
        Noun noun,
        Determiner determiner,
        Adjective? adjective,
        bool isPlural) =>
        new(noun, determiner, adjective, isPlural)
        {
            IsOwn = subject is not null && determiner == OwnOf(subject.Person),
        };

    /// <summary>A possessive; beside a subject in the third person none in the third person,
    /// since "his" could then be его or свой.</summary>
    public Determiner Possessive(Participant? subject)
    {
        while (true)
        {
            Determiner determiner = Pick(s_possessives);
            bool isThird = determiner is Determiner.His or Determiner.Her or Determiner.Their;
            if (!isThird || subject?.Person is not (Corpus.Person.He or Corpus.Person.They))
                return determiner;
        }
    }

    private static Determiner OwnOf(Person person) => person switch
    {
        Corpus.Person.I => Determiner.My,
        Corpus.Person.We => Determiner.Our,
        Corpus.Person.You or Corpus.Person.YouAll => Determiner.Your,
        _ => Determiner.None,
    };

    /// <summary>Speakers, listeners, or an own number for each third person.</summary>
    private static int Circle(Person person) => person switch
    {
        Corpus.Person.I or Corpus.Person.We => 0,
        Corpus.Person.You or Corpus.Person.YouAll => 1,
        _ => 2 + (int)person,
    };
}
