using Transformer.Backends;
using Transformer.Models.Text;
using Transformer.Models.Training;

namespace Transformer.Models;

/// <summary>A model with its tokenizers: text in, text out.</summary>
/// <example><code>
/// using var translator = Translator.Load("model-folder");
/// Console.WriteLine(translator.Translate("I am a student"));
/// </code></example>
/// <remarks>Not safe for use by several threads at once.</remarks>
public sealed class Translator : IDisposable
{
    /// <summary>Name of a tokenizer of both languages in a model's folder.</summary>
    public const string JointTokenizerFile = ModelFolder.TokenizerFile;

    /// <summary>Name of the source tokenizer in a model's folder.</summary>
    public const string SourceTokenizerFile = "source.tokenizer.json";

    /// <summary>Name of the target tokenizer in a model's folder.</summary>
    public const string TargetTokenizerFile = "target.tokenizer.json";

    /// <summary>Puts a model and its tokenizers together.</summary>
    /// <param name="model">Disposed with the translator.</param>
    /// <param name="sourceTokenizer">Of the language that is read.</param>
    /// <param name="targetTokenizer">Of the language that is written; may be the same one.</param>
    /// <exception cref="ArgumentException">A vocabulary or special token is not the model's.
    /// </exception>
    public Translator(
        Seq2SeqTransformer model, ITokenizer sourceTokenizer, ITokenizer targetTokenizer)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(sourceTokenizer);
        ArgumentNullException.ThrowIfNull(targetTokenizer);
        RequireFit(model.Config, "source", sourceTokenizer, model.Config.SourceVocabulary);
        RequireFit(model.Config, "target", targetTokenizer, model.Config.TargetVocabulary);
        Model = model;
        SourceTokenizer = sourceTokenizer;
        TargetTokenizer = targetTokenizer;
    }

    /// <summary>The model.</summary>
    public Seq2SeqTransformer Model { get; }

    /// <summary>Of the language that is read.</summary>
    public ITokenizer SourceTokenizer { get; }

    /// <summary>Of the language that is written.</summary>
    public ITokenizer TargetTokenizer { get; }

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <param name="folder">With config.json, model.safetensors and tokenizer.json, or
    /// source.tokenizer.json and target.tokenizer.json.</param>
    /// <param name="backend">What the model runs on; null: the best available.</param>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the files are not of one
    /// model.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static Translator Load(string folder, Backend? backend = null)
    {
        ModelFolder.Require(folder);
        string joint = Path.Combine(folder, JointTokenizerFile);
        ITokenizer source, target;
        if (File.Exists(joint))
        {
            source = target = Tokenizer.Load(joint);
        }
        else
        {
            source = Tokenizer.Load(Path.Combine(folder, SourceTokenizerFile));
            target = Tokenizer.Load(Path.Combine(folder, TargetTokenizerFile));
        }

        Seq2SeqTransformer model =
            Seq2SeqTransformer.Load(folder, backend ?? BackendRegistry.Default);
        try
        {
            return new(model, source, target);
        }
        catch (ArgumentException e)
        {
            model.Dispose();
            throw new InvalidDataException($"'{folder}': {e.Message}", e);
        }
    }

    /// <summary>Writes model and tokenizers.</summary>
    /// <param name="folder">Created where it is missing.</param>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public void Save(string folder)
    {
        ModelFolder.Create(folder);
        string joint = Path.Combine(folder, JointTokenizerFile);
        string source = Path.Combine(folder, SourceTokenizerFile);
        string target = Path.Combine(folder, TargetTokenizerFile);
        bool shared = ReferenceEquals(SourceTokenizer, TargetTokenizer);
        SourceTokenizer.Save(shared ? joint : source);
        if (!shared) TargetTokenizer.Save(target);
        foreach (string stale in shared ? [source, target] : (string[])[joint])
            File.Delete(stale);
        Model.Save(folder);
    }

    /// <summary>Translates one sentence.</summary>
    /// <param name="line">Text in the source language; blank text gives an empty text.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ArgumentException">The sentence is longer than the model's positions, or
    /// an option is out of range.</exception>
    public string Translate(string line, GenerationOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(line);
        return Translate([line], options)[0];
    }

    /// <summary>Translates many sentences in batches.</summary>
    /// <param name="lines">One sentence each; blank lines give empty lines.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <returns>Translations in the order of the lines.</returns>
    /// <exception cref="ArgumentException">A sentence is longer than the model's positions (the
    /// message names its number), or an option is out of range.</exception>
    public string[] Translate(IReadOnlyList<string> lines, GenerationOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(lines);
        List<int> numbers = [];
        List<int[]> sources = [];
        for (int i = 0; i < lines.Count; i++)
        {
            if (string.IsNullOrWhiteSpace(lines[i])) continue;
            int[] ids = EncodeSource(lines[i]);
            RequirePositions(ids.Length, i + 1);
            numbers.Add(i);
            sources.Add(ids);
        }

        int[][] targets = Model.Generate(sources, options);
        string[] translations = new string[lines.Count];
        Array.Fill(translations, "");
        for (int i = 0; i < targets.Length; i++)
            translations[numbers[i]] = TargetTokenizer.Decode(targets[i]);
        return translations;
    }

    /// <summary>Ids of a sentence as the encoder gets them: its tokens, then the end token.
    /// </summary>
    public int[] EncodeSource(string line) =>
        ParallelDataset.EncodeSource(SourceTokenizer, line);

    /// <summary>Returns the model's memory.</summary>
    public void Dispose() => Model.Dispose();

    private void RequirePositions(int tokens, int number)
    {
        if (tokens <= Model.Config.MaxPositions) return;
        throw new ArgumentException(
            $"Translator: line {number} has {tokens} tokens; the model has " +
            $"{Model.Config.MaxPositions} positions. Split the sentence, or train a model with a " +
            "larger maxPositions.");
    }

    private static void RequireFit(
        Seq2SeqConfig config, string side, ITokenizer tokenizer, int vocabulary)
    {
        if (tokenizer.VocabularySize != vocabulary)
        {
            throw new ArgumentException(
                $"Translator: the {side} tokenizer has {tokenizer.VocabularySize} tokens; the " +
                $"model has {vocabulary}. Use the tokenizer that the model was trained with.");
        }

        SpecialTokens expected = new(config.PadId, config.UnknownId, config.BosId, config.EosId);
        if (tokenizer.Special != expected)
        {
            throw new ArgumentException(
                $"Translator: the {side} tokenizer has {tokenizer.Special}; the model has " +
                $"{expected}. Use the tokenizer that the model was trained with.");
        }
    }
}
