using System.Text.Json;
using Transformer.Backends;
using Transformer.Models.Interchange;
using Transformer.Models.Text;

namespace Transformer.Models;

/// <summary>A model that was converted.</summary>
/// <param name="Kind">Its class in Hugging Face's library.</param>
/// <param name="Parameters">Numbers in all weights.</param>
/// <param name="Files">Names of the files written.</param>
/// <param name="HasTokenizer">Whether tokenizer files came with it.</param>
public sealed record ConvertedModel(
    string Kind, long Parameters, IReadOnlyList<string> Files, bool HasTokenizer);

/// <summary>Folders of Hugging Face's library: config.json, model.safetensors or several files with
/// their index, and tokenizer files.</summary>
/// <remarks>The models' own folders have the same form, so both directions check a whole model and
/// write it anew: importing settles spellings, types and files, exporting chooses them.</remarks>
public static partial class HuggingFace
{
    private static readonly string[] TokenizerFiles =
    [
        ModelFolder.TokenizerFile, "tokenizer_config.json", "special_tokens_map.json",
        "vocab.json", "merges.txt", "vocab.txt", MarianTokenizers.SourceName,
        MarianTokenizers.TargetName, Translator.SourceTokenizerFile,
        Translator.TargetTokenizerFile,
    ];

    /// <summary>The kinds of foreign models that are known, by 'model_type'; a translator of this
    /// library is known by its own field.</summary>
    public static IReadOnlyList<string> ModelTypes { get; } =
        [GptConfig.ModelType, BertConfig.ModelType, Marian.ModelType];

    /// <summary>Reads a folder of any spelling and writes the model as this library does: one
    /// file of binary32 weights under full names.</summary>
    /// <param name="source">With config.json and model.safetensors or its index.</param>
    /// <param name="target">A new or empty folder.</param>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, the model is of another kind, or
    /// weights and configuration do not fit; the message names file and tensor.</exception>
    /// <exception cref="NotSupportedException">The model marks positions as other libraries
    /// cannot.</exception>
    /// <exception cref="IOException">A file cannot be read or written, or the target is not
    /// empty.</exception>
    public static ConvertedModel Import(string source, string target) =>
        Convert(source, target, null);

    /// <summary>Reads a model of this library and writes it for others.</summary>
    /// <param name="source">Folder of the model.</param>
    /// <param name="target">A new or empty folder.</param>
    /// <param name="options">Type and size of the files; null: the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="FileNotFoundException">As for <see cref="Import"/>, like the others.
    /// </exception>
    /// <exception cref="InvalidDataException">As there.</exception>
    /// <exception cref="NotSupportedException">As there.</exception>
    /// <exception cref="IOException">As there.</exception>
    public static ConvertedModel Export(
        string source, string target, ExportOptions? options = null)
    {
        options ??= new();
        options.Validate();
        return Convert(source, target, options);
    }

    /// <param name="source">Folder to read.</param>
    /// <param name="target">Folder to write.</param>
    /// <param name="export">How to write for others; null: as this library does.</param>
    private static ConvertedModel Convert(string source, string target, ExportOptions? export)
    {
        ExportOptions options = export ?? new() { MaxFileBytes = 0 };
        ModelFolder.Require(source);
        string config = Path.Combine(source, ModelFolder.ConfigFile);
        string type = ModelType(config);
        RequireWeights(source);
        RequireEmpty(target);
        switch (type)
        {
            case GptConfig.ModelType:
                using (Gpt model = Gpt.Load(source, BackendRegistry.Cpu))
                {
                    PositionKinds.RequireLearned(source, model.Config.PositionKind);
                    return Write(source, target, "GPT2LMHeadModel", model.Stored,
                        model.Config.Save, options);
                }

            case BertConfig.ModelType when IsClassifier(config):
                using (BertClassifier model = BertClassifier.Load(source, BackendRegistry.Cpu))
                {
                    return Write(source, target, BertClassifier.Kind, model.Stored,
                        model.SaveConfig, options);
                }

            case BertConfig.ModelType:
                using (Bert model = Bert.Load(source, BackendRegistry.Cpu))
                {
                    PositionKinds.RequireLearned(source, model.Config.PositionKind);
                    return Write(source, target, "BertForPreTraining", model.Stored,
                        model.Config.Save, options);
                }

            case Marian.ModelType or Seq2SeqConfig.ModelType:
                bool marian = type == Marian.ModelType;
                return export is null ? ImportTranslator(source, target, marian)
                    : ExportTranslator(source, target, marian, export);

            default:
                throw UnknownType(config, type);
        }
    }

    private static ConvertedModel Write(
        string source, string target, string kind, StoredWeights weights,
        Action<string> saveConfig, ExportOptions options)
    {
        ModelFolder.Create(target);
        List<string> files = [.. weights.Save(Path.Combine(target, ModelFolder.WeightsFile), "pt",
            options.Type, options.MaxFileBytes)];
        int before = files.Count;
        files.AddRange(CopyTokenizer(source, target));
        bool tokenizer = files.Count > before;
        files.Add(Path.Combine(target, ModelFolder.ConfigFile));
        saveConfig(files[^1]);
        return new(kind, weights.Tensors.Sum(t => t.Shape.ElementCount),
            [.. files.Select(f => Path.GetFileName(f))], tokenizer);
    }

    internal static string ModelType(string config)
    {
        using JsonDocument document = ConfigFields.Parse(
            $"'{config}'", TextFiles.ReadBytes(config, "model configuration"));
        ConfigFields fields = new($"'{config}'", document.RootElement);
        // A translator of this library has the field under its own name.
        return fields.Text("modelType", "") is { Length: > 0 } own
            ? own : fields.Text("model_type", null);
    }

    internal static bool IsClassifier(string config)
    {
        using JsonDocument document = ConfigFields.Parse(
            $"'{config}'", TextFiles.ReadBytes(config, "model configuration"));
        return document.RootElement.TryGetProperty("architectures", out JsonElement names)
            && names.ValueKind == JsonValueKind.Array && names.EnumerateArray().Any(name =>
                name.ValueKind == JsonValueKind.String && name.ValueEquals(BertClassifier.Kind));
    }

    private static void RequireWeights(string source)
    {
        string weights = Path.Combine(source, ModelFolder.WeightsFile);
        if (File.Exists(weights) || File.Exists(weights + SafeTensorsIndex.Suffix)) return;
        bool pickled = Directory.EnumerateFiles(source, "*.bin").Any();
        throw new FileNotFoundException($"'{source}' has no {ModelFolder.WeightsFile} and no " +
            $"{ModelFolder.WeightsFile}{SafeTensorsIndex.Suffix}" +
            (pickled ? ", only pickled weights. Save it with safe_serialization=True."
                : ". Give a folder that Hugging Face's save_pretrained wrote."));
    }

    private static void RequireEmpty(string target)
    {
        ArgumentException.ThrowIfNullOrEmpty(target);
        if (File.Exists(target)) throw new IOException($"'{target}' is a file. Name a folder.");
        if (!Directory.Exists(target) || !Directory.EnumerateFileSystemEntries(target).Any())
            return;
        throw new IOException($"Folder '{target}' is not empty. Name a new one.");
    }

    private static IEnumerable<string> CopyTokenizer(string source, string target)
    {
        foreach (string name in TokenizerFiles)
        {
            string file = Path.Combine(source, name), copy = Path.Combine(target, name);
            if (!File.Exists(file)) continue;
            AtomicFile.Write(copy, stream =>
            {
                using FileStream original = File.OpenRead(file);
                original.CopyTo(stream);
            });
            yield return copy;
        }
    }
}
