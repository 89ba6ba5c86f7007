using System.Text;
using Transformer.Backends;
using Transformer.Models.Generation;
using Transformer.Models.Text;

namespace Transformer.Models;

/// <summary>A decoder-only model with its tokenizer: text in, its continuation out.</summary>
/// <remarks>Not safe for use by several threads at once.</remarks>
public sealed class TextGenerator : IDisposable
{
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
    /// <param name="tokens">How many tokens to add at most.</param>
    /// <param name="options">Null: the defaults. Special tokens are never chosen.</param>
    /// <param name="stops">The text ends before the first of these strings that its continuation
    /// has; null: none.</param>
    /// <returns>Pieces of the continuation, whole characters each.</returns>
    /// <exception cref="ArgumentException">The prompt or a stop string is empty, or an option is
    /// out of range.</exception>
    public IEnumerable<string> Continue(
        string prompt, int tokens, SamplingOptions? options = null,
        IReadOnlyList<string>? stops = null)
    {
        TokenStream stream = new(Tokenizer, stops ?? []);
        return Decode(
            Model.Generate(Tokenizer.Encode(prompt), tokens, WithoutSpecial(options)), stream);
    }

    /// <summary>Continues several texts, some of them together.</summary>
    /// <param name="prompts">The beginnings, not empty.</param>
    /// <param name="tokens">As for <see cref="Continue"/>.</param>
    /// <param name="options">As for <see cref="Continue"/>; text i, from 0 on, draws what it would
    /// draw alone with the seed plus i.</param>
    /// <param name="stops">As for <see cref="Continue"/>.</param>
    /// <returns>The continuation of each, in the order given.</returns>
    /// <exception cref="ArgumentException">As for <see cref="Continue"/>.</exception>
    public string[] ContinueAll(
        IReadOnlyList<string> prompts, int tokens, SamplingOptions? options = null,
        IReadOnlyList<string>? stops = null)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        options = WithoutSpecial(options);
        options.Validate();
        List<string> texts = [];
        foreach (string[] chunk in prompts.Chunk(options.BatchRows))
        {
            TokenStream[] streams =
                Array.ConvertAll(chunk, _ => new TokenStream(Tokenizer, stops ?? []));
            StringBuilder[] written = Array.ConvertAll(chunk, _ => new StringBuilder());
            GptContinuation drawn = Model.Begin(
                Array.ConvertAll(chunk, prompt => (IReadOnlyList<int>)Tokenizer.Encode(prompt)),
                tokens, options, texts.Count);
            for (int n = 0; n < tokens && !drawn.AllEnded; n++) Add(drawn, streams, written);
            for (int i = 0; i < chunk.Length; i++)
                texts.Add(written[i].Append(streams[i].Finish()).ToString());
        }

        return [.. texts];
    }

    /// <summary>Continues texts with the likeliest continuations that beam search finds.</summary>
    /// <param name="prompts">The beginnings, not empty.</param>
    /// <param name="tokens">How many tokens to add; with the prompt within the model's positions.
    /// </param>
    /// <param name="options">Null: the defaults. Special tokens are never chosen.</param>
    /// <returns>The continuation of each, in the order given.</returns>
    /// <exception cref="ArgumentException">A prompt is empty or too long, or an option is out of
    /// range.</exception>
    public string[] Beam(
        IReadOnlyList<string> prompts, int tokens, GenerationOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        BeamResult[] results = Model.Beam(
            [.. prompts.Select(prompt => (IReadOnlyList<int>)Tokenizer.Encode(prompt))],
            tokens, options, WithoutSpecial(null).Excluded);
        return Array.ConvertAll(
            results, result => Tokenizer.Decode(result.Best.Tokens.ToArray()));
    }

    /// <summary>Returns the model's memory.</summary>
    public void Dispose() => Model.Dispose();

    private static void Add(
        GptContinuation drawn, TokenStream[] streams, StringBuilder[] written)
    {
        ReadOnlySpan<int> tokens = drawn.Next();
        for (int i = 0; i < tokens.Length; i++)
        {
            if (tokens[i] < 0) continue;
            written[i].Append(streams[i].Add(tokens[i]));
            if (streams[i].Stopped) drawn.End(i);
        }
    }

    private static IEnumerable<string> Decode(IEnumerable<int> tokens, TokenStream stream)
    {
        foreach (int token in tokens)
        {
            string text = stream.Add(token);
            if (text.Length > 0) yield return text;
            if (stream.Stopped) yield break;
        }

        string rest = stream.Finish();
        if (rest.Length > 0) yield return rest;
    }

    private SamplingOptions WithoutSpecial(SamplingOptions? options)
    {
        options ??= new();
        SpecialTokens special = Tokenizer.Special;
        return options with
        {
            Excluded =
                [.. options.Excluded, special.Pad, special.Unknown, special.Bos, special.Eos],
        };
    }
}
