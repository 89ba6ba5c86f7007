namespace Transformer.Models.Text.Corpus;

/// <summary>The Russian past tense.</summary>
internal sealed class PastForms
{
    private readonly string[] _forms;

    /// <param name="forms">Masculine, feminine, neuter, plural.</param>
    public PastForms(string forms)
    {
        _forms = forms.Split(' ');
        if (_forms.Length != 4)
            throw new ArgumentException($"'{forms}' has {_forms.Length} forms; expected 4.");
    }

    public string Agree(Gender gender, bool isPlural) => _forms[isPlural ? 3 : (int)gender];
}

/// <summary>A verb in both languages: an English verb and a Russian pair of aspects.</summary>
internal sealed class Verb
{
    private readonly string[] _english;
    private readonly string[] _present;

    /// <param name="english">Base form, third person, simple past, participle in -ing;
    /// underscores stand for spaces.</param>
    /// <param name="infinitive">Imperfective infinitive.</param>
    /// <param name="present">Imperfective present: я, ты, он, мы, вы, они.</param>
    /// <param name="past">Imperfective past: masculine, feminine, neuter, plural.</param>
    public Verb(string english, string infinitive, string present, string past)
    {
        _english = [.. english.Split(' ').Select(form => form.Replace('_', ' '))];
        _present = present.Split(' ');
        if (_english.Length != 4 || _present.Length != 6)
            throw new ArgumentException($"'{english}': expected 4 English and 6 Russian forms.");
        Infinitive = infinitive;
        Past = new(past);
    }

    public string Base => _english[0];

    public string ThirdPerson => _english[1];

    public string EnglishPast => _english[2];

    public string Participle => _english[3];

    public string Infinitive { get; }

    public PastForms Past { get; }

    /// <summary>Perfective infinitive; null if the corpus does not use it.</summary>
    public string? PerfectiveInfinitive { get; init; }

    public PastForms? PerfectivePast { get; init; }

    /// <summary>False for verbs without a continuous form: "is knowing" is no English.</summary>
    public bool IsContinuous { get; init; } = true;

    /// <summary>False for what is done in a moment and so has no "will be opening".</summary>
    public bool IsLasting { get; init; } = true;

    /// <summary>Whether the object comes into being by it.</summary>
    public bool IsCreation { get; init; }

    /// <summary>Whether it is told with whom it is done.</summary>
    public bool HasCompany { get; init; } = true;

    /// <summary>False for what children do not do.</summary>
    public bool SuitsChildren { get; init; } = true;

    public string Present(Person person) => _present[(int)person];

    /// <summary>English simple present: "read" or "reads".</summary>
    public string Simple(Person person) => person == Person.He ? ThirdPerson : Base;
}
