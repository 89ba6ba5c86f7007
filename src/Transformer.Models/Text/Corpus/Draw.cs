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

    /// <summary>In <paramref name="percent"/> of 100 calls an adjective that fits.</summary>
    public Adjective? Adjective(Noun noun, int percent) =>
        noun.Adjectives.Count > 0 && Chance(percent) ? Pick(noun.Adjectives) : null;

    /// <summary>Who acts, in the nominative.</summary>
    /// <param name="adult">No child: for work, cooking and buying furniture.</param>
    /// <param name="isPlain">Without adjective.</param>
    public Participant Subject(bool adult = false, bool isPlain = false)
    {
        if (Chance(50)) return Pick(Pronoun.All);
        while (true)
        {
            Noun noun = Anybody();
            if (adult && People.Young.Contains(noun)) continue;
            Determiner determiner = PersonDeterminer(noun, null);
            // No adjective after "the": it would open the Russian sentence, and each form with
            // a capital letter is one more word to learn.
            Adjective? adjective = isPlain || determiner == Determiner.The
                ? null
                : Adjective(noun, 15);
            return new NounPhrase(noun, determiner, adjective, IsGroup(noun));
        }
    }

    /// <summary>A participant that also has the other cases.</summary>
    public Participant Declined() =>
        Chance(50) ? Pick(Pronoun.Simple) : Named(Anybody());

    /// <summary>A person other than the subject, in another case.</summary>
    /// <param name="subject">Subject of the clause; it chooses свой.</param>
    /// <param name="isPlain">Singular and without adjective.</param>
    public Participant? Other(Participant subject, bool isPlain = true)
    {
        if (Chance(30))
        {
            Pronoun pronoun = Pick(Pronoun.Simple);
            return Circle(pronoun.Person) == Circle(subject.Person) ? null : pronoun;
        }
        Noun noun = Anybody();
        return noun.English == subject.Key
            ? null
            : Own(subject, noun, PersonDeterminer(noun, subject),
                isPlain ? null : Adjective(noun, 20), !isPlain && IsGroup(noun));
    }

    /// <summary>One person of a kind: "my brother", "this woman".</summary>
    public NounPhrase Named(Noun noun) => new(noun, PersonDeterminer(noun, null));

    /// <summary>A thing or animal as object of a subject.</summary>
    /// <param name="subject">Subject of the clause; it chooses свой.</param>
    /// <param name="noun">The thing.</param>
    /// <param name="isNew">It comes into being only now: it has no owner and is not old.</param>
    public NounPhrase Object(Participant subject, Noun noun, bool isNew)
    {
        Adjective? adjective = Adjective(noun, 35);
        if (isNew && adjective?.English == "old") adjective = null;
        if (noun.IsMass) return new(noun, Determiner.None, adjective);
        bool isPlural = Chance(25);
        Determiner determiner = (isNew ? 0 : Below(100)) switch
        {
            < 45 => isPlural ? Determiner.None : Determiner.A,
            < 60 => Determiner.The,
            < 75 => Determiner.This,
            _ => Possessive(subject),
        };
        return Own(subject, noun, determiner, adjective, isPlural);
    }

    /// <summary>A thing in the nominative that is spoken of as known.</summary>
    public NounPhrase Known(Noun noun, int adjectivePercent)
    {
        bool isPlural = !noun.IsMass && Chance(25);
        bool isPublic = Places.Sights.Contains(noun) && !Places.Homes.Contains(noun);
        Determiner determiner = Below(100) switch
        {
            < 60 when !isPlural => Determiner.The,
            < 75 when !noun.IsMass => Determiner.This,
            _ when !isPublic => Possessive(null),
            _ => Determiner.This,
        };
        // No adjective after "the", for the reason given in Subject.
        Adjective? adjective = determiner == Determiner.The
            ? null
            : Adjective(noun, adjectivePercent);
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
        Participant subject,
        Noun noun,
        Determiner determiner,
        Adjective? adjective,
        bool isPlural) =>
        new(noun, determiner, adjective, isPlural)
        {
            IsOwn = determiner != Determiner.None && determiner == OwnOf(subject.Person),
        };

    /// <summary>A possessive; beside a subject in the third person none in the third person,
    /// since "his" could then be его or свой.</summary>
    public Determiner Possessive(Participant? subject)
    {
        if (subject is not null && OwnOf(subject.Person) is not Determiner.None and var own &&
            Chance(30))
        {
            return own;
        }
        while (true)
        {
            Determiner determiner = Pick(s_possessives);
            bool isThird = determiner is Determiner.His or Determiner.Her or Determiner.Their;
            if (!isThird || subject?.Person is not (Corpus.Person.He or Corpus.Person.They))
                return determiner;
        }
    }

    private Noun Anybody() => Pick(Chance(50) ? People.Kin : People.Others);

    private bool IsGroup(Noun noun) => People.Groups.Contains(noun) && Chance(35);

    private Determiner PersonDeterminer(Noun noun, Participant? subject) =>
        People.Kin.Contains(noun) ? Possessive(subject)
        : Chance(75) ? Determiner.The
        : Determiner.This;

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
