using Transformer.Backends;
using Transformer.Models.Text;

namespace Transformer.Models;

/// <content>Translators: MarianMTModel there, a <see cref="Seq2SeqTransformer"/> here.</content>
public static partial class HuggingFace
{
    // Marian's own id, for folders without vocab.json.
    private const int UsualUnknownId = 1;

    private static ConvertedModel ImportTranslator(string source, string target, bool marian)
    {
        using Seq2SeqTransformer model = LoadTranslator(source, marian);
        (ITokenizer Source, ITokenizer Target)? tokenizers =
            marian && HasPieces(source) ? MarianTokenizers.Load(source) : null;
        ModelFolder.Create(target);
        List<string> files = [.. CopyTokenizer(source, target)];
        bool hasTokenizer = files.Count > 0;
        if (tokenizers is { } both)
        {
            // Checks that model and tokenizers fit each other, and writes all of them.
            Translator translator = new(model, both.Source, both.Target);
            translator.Save(target);
            files.AddRange([Translator.SourceTokenizerFile, Translator.TargetTokenizerFile]);
        }
        else
        {
            model.Save(target);
        }

        files.AddRange([Seq2SeqTransformer.WeightsFile, Seq2SeqTransformer.ConfigFile]);
        return new(Marian.Kind, model.Parameters.Count,
            [.. files.Select(f => Path.GetFileName(f)).Distinct()], hasTokenizer);
    }

    private static ConvertedModel ExportTranslator(
        string source, string target, bool marian, ExportOptions options)
    {
        using Seq2SeqTransformer model = LoadTranslator(source, marian);
        Marian.RequireWritable(source, model.Config);
        return Write(source, target, Marian.Kind, new([.. Marian.Stored(model)]),
            path => Marian.SaveConfig(path, model.Config), options);
    }

    private static Seq2SeqTransformer LoadTranslator(string source, bool marian)
    {
        if (!marian) return Seq2SeqTransformer.Load(source, BackendRegistry.Cpu);
        string vocabulary = Path.Combine(source, Gpt2Files.VocabularyName);
        int unknown = File.Exists(vocabulary)
            ? Gpt2Files.ReadTokens(vocabulary).Special.Unknown : UsualUnknownId;
        return Marian.Load(source, unknown, BackendRegistry.Cpu);
    }

    private static bool HasPieces(string folder) =>
        File.Exists(Path.Combine(folder, MarianTokenizers.SourceName));
}
