using System.Text;
using Transformer.Backends;
using Transformer.Models.Text;

namespace Transformer.Models;

/// <summary>A decoder-only model with its tokenizer: text in, its continuation out.</summary>
/// <remarks>Not safe for use by several threads at once.</remarks>
public sealed class TextGenerator : IDisposable
{
    // The longest UTF-8 form of a character: byte-level tokens can be parts of one.
    private const int MostPartsOfACharacter = 4;

    /// <summary>Puts a model and its tokenizer together.</summary>
    /// <param name="model">Disposed with the generator.</param>
    /// <param name="tokenizer">The one that the model was trained with.</param>
    /// <exception cref="ArgumentException">It has another vocabulary.</exception>
    public TextGenerator(Gpt model, ITokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ModelFolder.RequireVocabulary(nameof(TextGenerator), tokenizer, model.Config.Vocabulary);
        Model = model;
        Tokenizer = tokenizer;
    }

    /// <summary>The model.</summary>
    public Gpt Model { get; }

    /// <summary>Its tokenizer.</summary>
    public ITokenizer Tokenizer { get; }

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <param name="folder">With config.json, model.safetensors and tokenizer.json.</param>
    /// <param name="backend">What the model runs on; null: the best available.</param>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the files are not of one
    /// model.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static TextGenerator Load(string folder, Backend? backend = null)
    {
        ModelFolder.Require(folder);
        return ModelFolder.WithTokenizer(
            folder, Gpt.Load(folder, backend ?? BackendRegistry.Default),
            (model, tokenizer) => new TextGenerator(model, tokenizer));
    }

    /// <summary>Writes model and tokenizer.</summary>
    /// <param name="folder">Created where it is missing.</param>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public void Save(string folder)
    {
        ModelFolder.Create(folder);
        Tokenizer.Save(Path.Combine(folder, ModelFolder.TokenizerFile));
        Model.Save(folder);
    }

    /// <summary>Continues a text, piece by piece as they are asked for.</summary>
    /// <param name="prompt">The beginning, not empty.</param>
    /// <param name="tokens">How many tokens to add.</param>
    /// <param name="options">Null: the defaults. Special tokens are never chosen.</param>
    /// <returns>Pieces of the continuation, whole characters each.</returns>
    /// <exception cref="ArgumentException">The prompt is empty, or an option is out of range.
    /// </exception>
    public IEnumerable<string> Continue(
        string prompt, int tokens, SamplingOptions? options = null)
    {
        options ??= new();
        SpecialTokens special = Tokenizer.Special;
        options = options with
        {
            Excluded =
                [.. options.Excluded, special.Pad, special.Unknown, special.Bos, special.Eos],
        };
        return Decode(Model.Generate(Tokenizer.Encode(prompt), tokens, options));
    }

    /// <summary>Returns the model's memory.</summary>
    public void Dispose() => Model.Dispose();

    private IEnumerable<string> Decode(IEnumerable<int> tokens)
    {
        List<int> pending = [];
        foreach (int token in tokens)
        {
            pending.Add(token);
            string text = Decode(pending);
            if (IsCutOff(text) && pending.Count < MostPartsOfACharacter) continue;
            pending.Clear();
            yield return text;
        }

        if (pending.Count > 0) yield return Decode(pending);
    }

    private string Decode(List<int> tokens) =>
        Tokenizer.Decode(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(tokens));

    private static bool IsCutOff(string text) =>
        text.EndsWith((char)Rune.ReplacementChar.Value);
}
