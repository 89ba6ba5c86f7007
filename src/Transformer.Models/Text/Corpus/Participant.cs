namespace Transformer.Models.Text.Corpus;

/// <summary>Who acts or is acted on: a pronoun or a noun with what belongs to it.</summary>
internal abstract class Participant
{
    /// <summary>What the split knows it by: the pronoun or the noun alone.</summary>
    public abstract string Key { get; }

    /// <summary>English as subject.</summary>
    public abstract string English { get; }

    /// <summary>English as object.</summary>
    public abstract string EnglishObject { get; }

    public abstract Person Person { get; }

    /// <summary>Null where English leaves it open: I, you.</summary>
    public abstract Gender? Gender { get; }

    public bool IsPlural => Person >= Person.We;

    public bool HasPast => IsPlural || Gender is not null;

    public abstract string Russian(Case @case);

    /// <summary>The form after a preposition: "у него", not "у его".</summary>
    public virtual string AfterPreposition(Case @case) => Russian(@case);

    /// <summary>The past tense that agrees with this subject.</summary>
    public string Agree(PastForms past) => past.Agree(Gender ?? Corpus.Gender.Masculine, IsPlural);
}
