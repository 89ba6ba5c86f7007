using Transformer.Backends;
using Transformer.Cli.Output;
using Transformer.Models;
using Transformer.Models.Text;

namespace Transformer.Cli.Commands;

/// <summary>What <c>attention-map</c> lets a model read.</summary>
/// <param name="Source">The text.</param>
/// <param name="Target">For translators: its translation; null: the model's own.</param>
/// <param name="Second">For encoders: a second text; null: there is one.</param>
internal sealed record AttentionReading(string Source, string? Target, string? Second)
{
    /// <summary>Attention of all layers and heads of the model in a folder, of any kind.</summary>
    /// <param name="folder">The model.</param>
    /// <param name="backend">What it runs on.</param>
    /// <param name="notes">Is told of words that the model does not know.</param>
    public List<AttentionGrid> Read(string folder, Backend backend, TextWriter notes)
    {
        ModelKind kind = ModelKinds.Of(folder);
        if (kind != ModelKind.Translator) RequireNone("--target", Target, "translators");
        if (kind is ModelKind.Translator or ModelKind.TextGenerator)
            RequireNone("--second", Second, "encoder-only models");
        string[] texts = Second is null ? [Source] : [Source, Second];
        switch (kind)
        {
            case ModelKind.Translator:
                using (Translator translator = Translator.Load(folder, backend))
                {
                    TranslateCommand.NoteUnknownWords(texts, translator.SourceTokenizer, notes);
                    return Of(translator, Source, Target);
                }

            case ModelKind.TextGenerator:
                using (TextGenerator generator = TextGenerator.Load(folder, backend))
                {
                    TranslateCommand.NoteUnknownWords(texts, generator.Tokenizer, notes);
                    return AttentionGrid.Of(generator, Source);
                }

            case ModelKind.MaskFiller:
                using (MaskFiller filler = MaskFiller.Load(folder, backend))
                {
                    TranslateCommand.NoteUnknownWords(
                        [.. texts.Select(text => text.Replace(BertTokens.MaskName, " ",
                            StringComparison.Ordinal))], filler.Tokenizer, notes);
                    (int[] ids, int[] segments) = filler.Encode(Source, Second);
                    return AttentionGrid.Of(
                        filler.Tokenizer, ids, filler.Model.Attention(ids, segments));
                }

            default:
                using (TextClassifier classifier = TextClassifier.Load(folder, backend))
                {
                    TranslateCommand.NoteUnknownWords(texts, classifier.Tokenizer, notes);
                    (int[] ids, int[] segments) = classifier.Encode(Source, Second);
                    return AttentionGrid.Of(
                        classifier.Tokenizer, ids, classifier.Model.Attention(ids, segments));
                }
        }
    }

    /// <summary>Attention of all heads on a sentence and its translation.</summary>
    public static List<AttentionGrid> Of(Translator translator, string source, string? target)
    {
        int[] ids = translator.EncodeSource(source);
        int[] written = target is null
            ? translator.Model.Greedy([ids])[0] : translator.TargetTokenizer.Encode(target);
        return AttentionGrid.Of(translator, ids, written);
    }

    private static void RequireNone(string option, string? value, string whose)
    {
        if (value is null) return;
        throw new ArgumentException($"attention-map: {option} is '{value}', but goes with " +
            $"{whose} alone. Leave it out.");
    }
}
