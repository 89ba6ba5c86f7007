namespace Transformer.Models.Text.Corpus;

/// <summary>Someone does something to a thing.</summary>
internal static class ActionTemplates
{
    private sealed record Clause(Participant Subject, Verb Verb, Noun Noun, NounPhrase Object)
    {
        public string Key => $"{Subject.Key}|{Verb.Base}|{Noun.English}";

        public string English => Phrase.Join(
            Subject.English, Verb.Simple(Subject.Person), Object.English);

        public string Continuous => Phrase.Join(
            Subject.English, Phrase.Be(Subject.Person), Verb.Participle, Object.English);

        public string Russian => Phrase.Join(
            Nominative, Verb.Present(Subject.Person), Accusative);

        public string Nominative => Subject.Russian(Case.Nominative);

        public string Accusative => Object.Russian(Case.Accusative);

        public bool IsHabit => Verb != Verbs.Buy || Things.Groceries.Contains(Noun);
    }

    /// <summary>"The boy reads a book every day", "I am reading a book now".</summary>
    public static CorpusSentence? Present(Draw draw)
    {
        Clause clause = Next(draw);
        bool isContinuous = clause.Verb.IsContinuous && draw.Chance(50);
        bool hasTime = draw.Chance(40);
        if (hasTime && !isContinuous && !clause.IsHabit) return null;
        string english = isContinuous ? clause.Continuous : clause.English;
        return CorpusSentence.State(nameof(Present), clause.Key,
            Phrase.Join(english, !hasTime ? null : isContinuous ? "now" : "every day"),
            Phrase.Join(!hasTime ? null : isContinuous ? "сейчас" : "каждый день",
                clause.Russian));
    }

    /// <summary>"He does not drink milk", "He is not drinking milk".</summary>
    public static CorpusSentence? Negative(Draw draw)
    {
        Clause clause = Next(draw);
        Person person = clause.Subject.Person;
        string verb = clause.Verb.IsContinuous && draw.Chance(50)
            ? Phrase.Join(Phrase.Be(person), "not", clause.Verb.Participle)
            : Phrase.Join(Phrase.Do(person), "not", clause.Verb.Base);
        return CorpusSentence.State(nameof(Negative), clause.Key,
            Phrase.Join(clause.Subject.English, verb, clause.Object.English),
            Phrase.Join(clause.Nominative, "не", clause.Verb.Present(person),
                clause.Accusative));
    }

    /// <summary>"Do you drink tea?", "Is the boy reading a book?".</summary>
    public static CorpusSentence? Question(Draw draw)
    {
        Clause clause = Next(draw);
        Person person = clause.Subject.Person;
        (string auxiliary, string verb) = clause.Verb.IsContinuous && draw.Chance(50)
            ? (Phrase.Be(person), clause.Verb.Participle)
            : (Phrase.Do(person), clause.Verb.Base);
        return CorpusSentence.Ask(nameof(Question), clause.Key,
            Phrase.Join(auxiliary, clause.Subject.English, verb, clause.Object.English),
            clause.Russian);
    }

    /// <summary>Done: "She bought a car yesterday"; not done yet: "She was buying a car".
    /// </summary>
    public static CorpusSentence? Past(Draw draw)
    {
        Clause clause = Next(draw);
        if (!clause.Subject.HasPast) return null;
        Verb verb = clause.Verb;
        if (verb.IsContinuous && draw.Chance(45))
        {
            return CorpusSentence.State(nameof(Past), clause.Key,
                Phrase.Join(clause.Subject.English, Phrase.Was(clause.Subject.Person),
                    verb.Participle, clause.Object.English),
                Phrase.Join(clause.Nominative, clause.Subject.Agree(verb.Past),
                    clause.Accusative));
        }
        return CorpusSentence.State(nameof(Past), clause.Key,
            Phrase.Join(clause.Subject.English, verb.EnglishPast, clause.Object.English,
                "yesterday"),
            Phrase.Join("вчера", clause.Nominative,
                clause.Subject.Agree(verb.PerfectivePast!), clause.Accusative));
    }

    /// <summary>"I will be reading a book tomorrow".</summary>
    public static CorpusSentence? Future(Draw draw)
    {
        Clause clause = Next(draw);
        if (!clause.Verb.IsContinuous || !clause.Verb.IsLasting) return null;
        return CorpusSentence.State(nameof(Future), clause.Key,
            Phrase.Join(clause.Subject.English, "will be", clause.Verb.Participle,
                clause.Object.English, "tomorrow"),
            Phrase.Join("завтра", clause.Nominative,
                Verbs.Be.Present(clause.Subject.Person), clause.Verb.Infinitive,
                clause.Accusative));
    }

    /// <summary>"He wants to buy a car", "Do you want to buy a car?".</summary>
    public static CorpusSentence? Wish(Draw draw)
    {
        Clause clause = Next(draw);
        Person person = clause.Subject.Person;
        string wished = Phrase.Join("to", clause.Verb.Base, clause.Object.English);
        string russian = Phrase.Join(clause.Nominative, Verbs.Want.Present(person),
            clause.Verb.PerfectiveInfinitive, clause.Accusative);
        return draw.Chance(25)
            ? CorpusSentence.Ask(nameof(Wish), clause.Key,
                Phrase.Join(Phrase.Do(person), clause.Subject.English, "want", wished), russian)
            : CorpusSentence.State(nameof(Wish), clause.Key,
                Phrase.Join(clause.Subject.English, Verbs.Want.Simple(person), wished),
                russian);
    }

    /// <summary>"I drink tea with milk", "He is eating bread without butter".</summary>
    public static CorpusSentence? Serving(Draw draw)
    {
        (Noun dish, IReadOnlyList<Noun> additions) = draw.Pick(Things.Servings);
        Noun addition = draw.Pick(additions);
        Verb verb = Verbs.Actions.First(
            action => action.Verb.Base is "drink" or "eat" && action.Objects.Contains(dish)).Verb;
        Participant subject = draw.Subject();
        Clause clause = new(subject, verb, dish, new(dish, Determiner.None));
        bool isWith = draw.Chance(50);
        CorpusSentence sentence = CorpusSentence.State(nameof(Serving), clause.Key,
            Phrase.Join(draw.Chance(50) ? clause.Continuous : clause.English,
                isWith ? "with" : "without", addition.English),
            Phrase.Join(clause.Russian, isWith
                ? Phrase.With(addition.Russian(Case.Instrumental, isPlural: false))
                : "без " + addition.Russian(Case.Genitive, isPlural: false)));
        return sentence with { Keys = [clause.Key, $"{clause.Key}|{addition.English}"] };
    }

    /// <summary>"I drink tea and my brother reads a book": а sets one against the other.
    /// </summary>
    public static CorpusSentence? Contrast(Draw draw)
    {
        Clause first = Next(draw, isPlain: true);
        Clause second = Next(draw, isPlain: true);
        if (first.Subject.English == second.Subject.English) return null;
        if (first.Noun == second.Noun) return null;
        return CorpusSentence.State(nameof(Contrast), first.Key,
            $"{first.English} and {second.English}", $"{first.Russian}, а {second.Russian}")
            with { Keys = [first.Key, second.Key] };
    }

    private static Clause Next(Draw draw, bool isPlain = false)
    {
        (Verb verb, IReadOnlyList<Noun> objects) = draw.Pick(Verbs.Actions);
        Noun noun = draw.Pick(objects);
        bool isHousehold = verb == Verbs.Buy && Things.Household.Contains(noun);
        Participant subject = draw.Subject(isHousehold || !verb.SuitsChildren, isPlain);
        NounPhrase thing = isPlain
            ? new(noun, noun.IsMass ? Determiner.None : Determiner.A)
            : draw.Object(subject, noun, verb.IsCreation);
        return new(subject, verb, noun, thing);
    }
}
