using System.Numerics.Tensors;
using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Models.Training;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models.Word2Vec;

/// <summary>Tells the class of a text by the mean of its words' vectors alone: the baseline that a
/// model which sees the order of words has to beat.</summary>
/// <remarks>Multinomial logistic regression on <see cref="WordVectors.Mean(string)"/>: softmax(W·m
/// + b), learned by AdamW on all examples at once. Safe to use from many threads.</remarks>
public sealed class EmbeddingClassifier
{
    private const int Steps = 400;
    private const double Rate = 0.05;

    private readonly WordVectors vectors;
    private readonly string[] labels;
    private readonly float[] weights; // [C, D]
    private readonly float[] biases;

    private EmbeddingClassifier(
        WordVectors vectors, string[] labels, float[] weights, float[] biases)
    {
        this.vectors = vectors;
        this.labels = labels;
        this.weights = weights;
        this.biases = biases;
    }

    /// <summary>Names of the classes.</summary>
    public IReadOnlyList<string> Labels => labels;

    /// <summary>Learns from examples.</summary>
    /// <param name="vectors">Of the words; they stay as they are.</param>
    /// <param name="examples">Texts with their classes, two or more of those.</param>
    /// <param name="backend">What the learning runs on; null: the CPU.</param>
    /// <exception cref="ArgumentException">There are not two classes, or no text has a word with a
    /// vector.</exception>
    public static EmbeddingClassifier Train(
        WordVectors vectors, IReadOnlyList<LabelledText> examples, Backend? backend = null)
    {
        ArgumentNullException.ThrowIfNull(vectors);
        ArgumentNullException.ThrowIfNull(examples);
        string[] labels = ClassificationDataset.Classes(examples);
        if (labels.Length < 2)
        {
            throw new ArgumentException($"EmbeddingClassifier: the examples have {labels.Length} " +
                "classes; expected two or more. Give examples of each class.");
        }

        int count = examples.Count, width = vectors.Width;
        float[] means = [.. examples.SelectMany(example => vectors.Mean(example.Text))];
        if (TensorPrimitives.MaxMagnitude<float>(means) == 0)
        {
            throw new ArgumentException("EmbeddingClassifier: no word of the examples has a " +
                "vector. Train the vectors on text like theirs.");
        }

        backend ??= BackendRegistry.Cpu;
        using ParameterSet parameters = new(backend);
        LinearLayer layer = new(parameters, "classifier", width, labels.Length,
            initializer: Initializer.Zeros);
        parameters.Allocate(seed: 0);
        GraphBuilder g = new("embedding-classifier", parameters);
        GraphTensor logits = layer.Apply(g, g.Input("means", new(count, width), DType.Float32));
        g.Output("loss", g.CrossEntropy(
            logits, g.Input("labels", new(count), DType.Int32), 0, Batch.IgnoredLabel,
            LossReduction.Mean, "loss"));
        using CompiledGraph graph = g.Compile(new() { Backend = backend, Training = true });
        graph.Feed<float>("means", means);
        graph.Feed<int>("labels",
            [.. examples.Select(e => Array.BinarySearch(labels, e.Label, StringComparer.Ordinal))]);
        graph.Feed<float>("lossGradient", [1]);
        using AdamWOptimizer optimizer = new(parameters, new() { WeightDecay = 0, ClipNorm = 0 });
        for (int step = 1; step <= Steps; step++)
        {
            parameters.ClearGradients();
            graph.Forward();
            graph.Backward();
            optimizer.MeasureGradients();
            optimizer.Update(Rate, step);
        }

        return new(vectors, labels, StoredTensor.Values(layer.Weight),
            StoredTensor.Values(layer.Bias!));
    }

    /// <summary>The classes of a text, the most likely first.</summary>
    public IReadOnlyList<ClassGuess> Classify(string text)
    {
        float[] mean = vectors.Mean(text), shares = new float[labels.Length];
        for (int i = 0; i < shares.Length; i++)
        {
            shares[i] = biases[i] + TensorPrimitives.Dot<float>(
                mean, weights.AsSpan(i * vectors.Width, vectors.Width));
        }

        TensorPrimitives.Subtract(shares, TensorPrimitives.Max<float>(shares), shares);
        TensorPrimitives.SoftMax(shares, shares);
        return [.. labels.Zip(shares, (label, share) => new ClassGuess(label, share))
            .OrderByDescending(guess => guess.Probability)];
    }

    /// <summary>Share of examples whose class is ranked first.</summary>
    /// <exception cref="ArgumentException">There are no examples.</exception>
    public double Accuracy(IReadOnlyList<LabelledText> examples)
    {
        ArgumentNullException.ThrowIfNull(examples);
        if (examples.Count == 0)
        {
            throw new ArgumentException(
                "EmbeddingClassifier: there are no examples. Give one or more.");
        }

        return examples.Count(e => Classify(e.Text)[0].Label == e.Label) / (double)examples.Count;
    }
}
