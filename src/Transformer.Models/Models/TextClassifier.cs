using System.Numerics.Tensors;
using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Text;
using Transformer.Models.Training;

namespace Transformer.Models;

/// <summary>A class and how likely it is.</summary>
/// <param name="Label">Name of the class.</param>
/// <param name="Probability">In [0, 1].</param>
public sealed record ClassGuess(string Label, double Probability);

/// <summary>A classifier with its tokenizer: text in, classes out.</summary>
/// <remarks>Not safe for use by several threads at once.</remarks>
public sealed class TextClassifier : IDisposable
{
    private const int LengthMultiple = 8;

    private readonly BertTokens tokens;

    /// <summary>Puts a model and its tokenizer together.</summary>
    /// <param name="model">Disposed with this.</param>
    /// <param name="tokenizer">The one that the model was trained with.</param>
    /// <exception cref="ArgumentException">It has another vocabulary, or lacks one of BERT's
    /// tokens.</exception>
    public TextClassifier(BertClassifier model, ITokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ModelFolder.RequireVocabulary(nameof(TextClassifier), tokenizer, model.Config.Vocabulary);
        tokens = BertTokens.Of(tokenizer);
        Model = model;
        Tokenizer = tokenizer;
    }

    /// <summary>The model.</summary>
    public BertClassifier Model { get; }

    /// <summary>Its tokenizer.</summary>
    public ITokenizer Tokenizer { get; }

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <param name="folder">With config.json, model.safetensors and tokenizer.json.</param>
    /// <param name="backend">What the model runs on; null: the best available.</param>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the files are not of one
    /// model.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static TextClassifier Load(string folder, Backend? backend = null)
    {
        ModelFolder.Require(folder);
        return ModelFolder.WithTokenizer(
            folder, BertClassifier.Load(folder, backend ?? BackendRegistry.Default),
            (model, tokenizer) => new TextClassifier(model, tokenizer));
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
    /// <param name="text">A; what passes the model's positions is cut off.</param>
    /// <param name="second">B; null: there is one text.</param>
    /// <returns>Ids, and the segment of each.</returns>
    public (int[] Ids, int[] Segments) Encode(string text, string? second = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        return ClassificationDataset.Join(
            new("", text, second), Tokenizer, tokens, Model.Config.Positions, out _);
    }

    /// <summary>The classes of a text or of two, the most likely first.</summary>
    /// <param name="text">The text; what passes the model's positions is cut off.</param>
    /// <param name="second">A second one; null: none.</param>
    public IReadOnlyList<ClassGuess> Classify(string text, string? second = null)
    {
        (int[] ids, int[] segments) = Encode(text, second);
        int length = Math.Min(Model.Config.Positions,
            (ids.Length + LengthMultiple - 1) / LengthMultiple * LengthMultiple);
        int[] padded = new int[length], kinds = new int[length];
        padded.AsSpan().Fill(tokens.Pad);
        ids.CopyTo(padded, 0);
        segments.CopyTo(kinds, 0);
        CompiledGraph graph = Model.EvaluationGraph(1, length);
        graph.Feed<int>("ids", padded);
        graph.Feed<int>("segments", kinds);
        graph.Feed<int>("lengths", [ids.Length]);
        graph.Feed<int>("labels", [Batch.IgnoredLabel]);
        graph.Forward();
        float[] logits = new float[Model.Labels.Count], shares = new float[logits.Length];
        graph.Fetch<float>("logits", logits);
        TensorPrimitives.Subtract(logits, TensorPrimitives.Max<float>(logits), logits);
        TensorPrimitives.SoftMax(logits, shares);
        return [.. Model.Labels.Zip(shares, (label, share) => new ClassGuess(label, share))
            .OrderByDescending(guess => guess.Probability)];
    }

    /// <summary>Returns the model's memory.</summary>
    public void Dispose() => Model.Dispose();
}
