namespace Transformer.Models.Text.Corpus;

/// <summary>A noun with its determiner, adjective and number.</summary>
internal sealed class NounPhrase(
    Noun noun,
    Determiner determiner,
    Adjective? adjective = null,
    bool isPlural = false) : Participant
{
    public Noun Noun => noun;

    public Determiner Determiner => determiner;

    public Adjective? Adjective => adjective;

    /// <summary>Whether it belongs to a third person.</summary>
    public bool IsTheirs =>
        determiner is Determiner.His or Determiner.Her or Determiner.Their;

    /// <summary>Whether the possessive names the subject of the clause and so is свой.</summary>
    public bool IsOwn { get; init; }

    public override string Key => noun.English;

    public override Person Person => isPlural ? Person.They : Person.He;

    public override Gender? Gender => noun.Gender;

    public override string EnglishObject => English;

    public override string English
    {
        get
        {
            string name = isPlural ? noun.EnglishPlural! : noun.English;
            string rest = Phrase.Join(adjective?.English, name);
            return Phrase.Join(EnglishDeterminer(rest), rest);
        }
    }

    public override string Russian(Case @case) => Phrase.Join(
        RussianDeterminer(@case),
        adjective?.Forms.Agree(noun.Gender, noun.IsAnimate, isPlural, @case),
        noun.Russian(@case, isPlural));

    private string? EnglishDeterminer(string next) => determiner switch
    {
        Determiner.None => null,
        Determiner.A => Phrase.Article(next),
        Determiner.This => isPlural ? "these" : "this",
        _ => determiner.ToString().ToLowerInvariant(),
    };

    private string? RussianDeterminer(Case @case)
    {
        AdjectivalForms? forms = determiner switch
        {
            _ when IsOwn => Determiners.Own,
            Determiner.This => Determiners.This,
            Determiner.My => Determiners.My,
            Determiner.Your => Determiners.Your,
            Determiner.Our => Determiners.Our,
            _ => null,
        };
        return determiner switch
        {
            Determiner.His => "его",
            Determiner.Her => "её",
            Determiner.Their => "их",
            _ => forms?.Agree(noun.Gender, noun.IsAnimate, isPlural, @case),
        };
    }
}
