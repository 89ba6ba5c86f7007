namespace Transformer.Models.Text.Corpus;

/// <summary>Russian words that open a noun phrase and agree with its noun.</summary>
internal static class Determiners
{
    public static AdjectivalForms This { get; } = new(
        "этот эта это эти этого этой этому эту этим этом этих этими");

    public static AdjectivalForms My { get; } = new(
        "мой моя моё мои моего моей моему мою моим моём моих моими");

    public static AdjectivalForms Your { get; } = new(
        "твой твоя твоё твои твоего твоей твоему твою твоим твоём твоих твоими");

    public static AdjectivalForms Our { get; } = new(
        "наш наша наше наши нашего нашей нашему нашу нашим нашем наших нашими");

    /// <summary>The possessive that refers to the subject of the clause.</summary>
    public static AdjectivalForms Own { get; } = new(
        "свой своя своё свои своего своей своему свою своим своём своих своими");
}
