namespace Transformer.Models.Text.Corpus;

/// <summary>The forms of a Russian word that agrees with a noun: adjective, мой, этот.</summary>
internal sealed class AdjectivalForms
{
    private const int MasculineNominative = 0;
    private const int FeminineNominative = 1;
    private const int NeuterNominative = 2;
    private const int PluralNominative = 3;
    private const int Genitive = 4;
    private const int FeminineOblique = 5;
    private const int Dative = 6;
    private const int FeminineAccusative = 7;
    private const int Instrumental = 8;
    private const int Prepositional = 9;
    private const int PluralGenitive = 10;
    private const int PluralInstrumental = 11;
    private const int Count = 12;

    private readonly string[] _forms;

    /// <param name="forms">Twelve words: nominative masculine, feminine, neuter, plural;
    /// genitive masculine and neuter; feminine oblique; dative; feminine accusative;
    /// instrumental; prepositional; plural genitive; plural instrumental.</param>
    public AdjectivalForms(string forms)
    {
        _forms = forms.Split(' ');
        if (_forms.Length != Count)
            throw new ArgumentException($"'{forms}' has {_forms.Length} forms; expected {Count}.");
    }

    /// <summary>The form that agrees with a noun.</summary>
    public string Agree(Gender gender, bool isAnimate, bool isPlural, Case @case) =>
        _forms[isPlural ? Plural(isAnimate, @case) : Singular(gender, isAnimate, @case)];

    private static int Plural(bool isAnimate, Case @case) => @case switch
    {
        Case.Nominative => PluralNominative,
        Case.Accusative => isAnimate ? PluralGenitive : PluralNominative,
        Case.Dative => Instrumental,
        Case.Instrumental => PluralInstrumental,
        _ => PluralGenitive,
    };

    private static int Singular(Gender gender, bool isAnimate, Case @case) => (gender, @case) switch
    {
        (Gender.Feminine, Case.Nominative) => FeminineNominative,
        (Gender.Feminine, Case.Accusative) => FeminineAccusative,
        (Gender.Feminine, _) => FeminineOblique,
        (_, Case.Genitive) => Genitive,
        (_, Case.Dative) => Dative,
        (_, Case.Instrumental) => Instrumental,
        (_, Case.Prepositional) => Prepositional,
        (Gender.Neuter, _) => NeuterNominative,
        (_, Case.Accusative) when isAnimate => Genitive,
        _ => MasculineNominative,
    };
}
