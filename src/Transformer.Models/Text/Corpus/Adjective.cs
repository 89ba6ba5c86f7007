namespace Transformer.Models.Text.Corpus;

/// <summary>An adjective in both languages.</summary>
/// <param name="English">The only English form.</param>
/// <param name="Forms">Russian declension.</param>
/// <param name="IsGradable">Whether "very" may stand before it.</param>
internal sealed record Adjective(string English, AdjectivalForms Forms, bool IsGradable);
