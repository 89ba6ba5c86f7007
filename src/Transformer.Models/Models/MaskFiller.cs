using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Text;
using Transformer.Models.Training;

namespace Transformer.Models;

/// <summary>A guess for one masked token.</summary>
/// <param name="Id">The token.</param>
/// <param name="Text">As text.</param>
/// <param name="Probability">In [0, 1].</param>
public sealed record TokenGuess(int Id, string Text, double Probability);

/// <summary>A pre-trained encoder-only model with its tokenizer: guesses masked words, and whether
/// one text follows another.</summary>
/// <remarks>Not safe for use by several threads at once.</remarks>
public sealed class MaskFiller : IDisposable
{
    private const int LengthMultiple = 8;

    private readonly BertTokens tokens;

    /// <summary>Puts a model and its tokenizer together.</summary>
    /// <param name="model">Disposed with this.</param>
    /// <param name="tokenizer">The one that the model was trained with.</param>
    /// <exception cref="ArgumentException">It has another vocabulary, or lacks one of BERT's
    /// tokens.</exception>
    public MaskFiller(Bert model, ITokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ModelFolder.RequireVocabulary(nameof(MaskFiller), tokenizer, model.Config.Vocabulary);
        tokens = BertTokens.Of(tokenizer);
        Model = model;
        Tokenizer = tokenizer;
    }

    /// <summary>The model.</summary>
    public Bert Model { get; }

    /// <summary>Its tokenizer.</summary>
    public ITokenizer Tokenizer { get; }

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <param name="folder">With config.json, model.safetensors and tokenizer.json.</param>
    /// <param name="backend">What the model runs on; null: the best available.</param>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the files are not of one
    /// model.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static MaskFiller Load(string folder, Backend? backend = null)
    {
        ModelFolder.Require(folder);
        return ModelFolder.WithTokenizer(
            folder, Bert.Load(folder, backend ?? BackendRegistry.Default),
            (model, tokenizer) => new MaskFiller(model, tokenizer));
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

    /// <summary>The tokens that the model reads: [CLS] A [SEP], or [CLS] A [SEP] B [SEP].</summary>
    /// <param name="first">A; each [MASK] in it is one token.</param>
    /// <param name="second">B, likewise; null: there is one text.</param>
    /// <returns>Ids, and the segment of each.</returns>
    public (int[] Ids, int[] Segments) Encode(string first, string? second = null)
    {
        ArgumentNullException.ThrowIfNull(first);
        return tokens.Join(Inner(first), second is null ? null : Inner(second));
    }

    /// <summary>Guesses the tokens at each [MASK] of a text.</summary>
    /// <param name="text">With one [MASK] or more, each for one token.</param>
    /// <param name="count">Guesses for each, 1 or more.</param>
    /// <returns>By mask, the most likely first; special tokens are no guesses, but take their
    /// share of the probability.</returns>
    /// <exception cref="ArgumentException">There is no [MASK], the text is longer than the model's
    /// positions, or the number is not positive.</exception>
    public IReadOnlyList<IReadOnlyList<TokenGuess>> Fill(string text, int count = 5)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (count < 1)
            throw new ArgumentException($"MaskFiller: 'count' is {count}; expected 1 or more.");
        (int[] ids, int[] segments) = Encode(text);
        if (!ids.Contains(tokens.Mask))
        {
            throw new ArgumentException($"MaskFiller: the text has no {BertTokens.MaskName}. " +
                "Write it in place of the word to guess.");
        }

        int[] places = [.. Enumerable.Range(0, ids.Length).Where(i => ids[i] == tokens.Mask)];
        CompiledGraph graph = Run(ids, segments, places);
        float[] logits = new float[places.Length * Model.Config.Vocabulary];
        graph.Fetch<float>("logits", logits);
        return [.. Enumerable.Range(0, places.Length).Select(i => Best(
            logits.AsSpan(i * Model.Config.Vocabulary, Model.Config.Vocabulary), count))];
    }

    /// <summary>The probability that a text follows another.</summary>
    /// <param name="first">The first text; each [MASK] in it is one token, here and below.</param>
    /// <param name="second">The second one.</param>
    /// <returns>In [0, 1].</returns>
    /// <exception cref="ArgumentException">A text is empty, or both together are longer than the
    /// model's positions.</exception>
    public double FollowsProbability(string first, string second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        int[] a = Inner(first), b = Inner(second);
        if (a.Length == 0 || b.Length == 0)
        {
            throw new ArgumentException(
                "MaskFiller: a text is empty; expected two texts of one word or more.");
        }

        (int[] ids, int[] segments) = tokens.Join(a, b);
        CompiledGraph graph = Run(ids, segments, [0]);
        float[] logits = new float[2];
        graph.Fetch<float>("nextLogits", logits);
        return 1 / (1 + Math.Exp((double)logits[1] - logits[0]));
    }

    /// <summary>Returns the model's memory.</summary>
    public void Dispose() => Model.Dispose();

    private int[] Inner(string text)
    {
        string[] parts = text.Split(BertTokens.MaskName);
        if (parts is [string whole]) return Tokenizer.Encode(whole);
        List<int> inner = [.. Tokenizer.Encode(parts[0].TrimEnd())];
        foreach (string part in parts.Skip(1))
        {
            inner.Add(tokens.Mask);
            inner.AddRange(Tokenizer.Encode(part.Trim()));
        }

        return [.. inner];
    }

    private CompiledGraph Run(int[] ids, int[] segments, int[] places)
    {
        int positions = Model.Config.Positions;
        if (ids.Length > positions)
        {
            throw new ArgumentException($"MaskFiller: the text has {ids.Length} tokens, special " +
                $"ones included; the model has {positions} positions. Shorten the text.");
        }

        int length = Math.Min(
            positions, (ids.Length + LengthMultiple - 1) / LengthMultiple * LengthMultiple);
        int[] padded = new int[length], kinds = new int[length];
        padded.AsSpan().Fill(tokens.Pad);
        ids.CopyTo(padded, 0);
        segments.CopyTo(kinds, 0);
        CompiledGraph graph = Model.EvaluationGraph(1, length, places.Length);
        graph.Feed<int>("ids", padded);
        graph.Feed<int>("segments", kinds);
        graph.Feed<int>("lengths", [ids.Length]);
        graph.Feed<int>("maskedRows", places);
        graph.Feed<int>("labels", [.. Enumerable.Repeat(Batch.IgnoredLabel, places.Length)]);
        graph.Feed<int>("nextLabels", [Batch.IgnoredLabel]);
        graph.Forward();
        return graph;
    }

    private List<TokenGuess> Best(ReadOnlySpan<float> logits, int count)
    {
        double largest = double.NegativeInfinity, sum = 0;
        foreach (float logit in logits) largest = Math.Max(largest, logit);
        double[] weights = new double[logits.Length];
        for (int i = 0; i < weights.Length; i++) sum += weights[i] = Math.Exp(logits[i] - largest);
        SpecialTokens special = Tokenizer.Special;
        return [.. Enumerable.Range(0, weights.Length)
            .Where(id => !tokens.IsSpecial(id) && id != special.Bos && id != special.Eos)
            .OrderByDescending(id => weights[id]).Take(count)
            .Select(id => new TokenGuess(id, Tokenizer.Decode([id]), weights[id] / sum))];
    }
}
