namespace Transformer.Models.Text.Corpus;

internal enum Gender
{
    Masculine,
    Feminine,
    Neuter,
}

internal enum Case
{
    Nominative,
    Genitive,
    Dative,
    Accusative,
    Instrumental,

    /// <summary>The form after в and на; сад and лес have one of their own there: в саду.
    /// </summary>
    Prepositional,
}

/// <summary>Person and number as the verb shows them: I, you, he, we, you all, they.</summary>
internal enum Person
{
    I,
    You,
    He,
    We,
    YouAll,
    They,
}

/// <summary>What opens a noun phrase.</summary>
internal enum Determiner
{
    None,
    A,
    The,
    This,
    My,
    Your,
    His,
    Her,
    Our,
    Their,
}
