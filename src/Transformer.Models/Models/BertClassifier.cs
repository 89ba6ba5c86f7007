using System.Diagnostics.CodeAnalysis;
using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Models.Training;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models;

/// <summary>An encoder-only Transformer as BERT with a linear layer on the pooled [CLS]: tells the
/// class of a text or of two.</summary>
/// <remarks>Devlin et al. 2018, §4.1. Graphs are compiled once for each shape and share one arena:
/// only one runs at a time. Not safe for use by several threads at once.</remarks>
public sealed partial class BertClassifier : IClassifierTrainingModel, IDisposable
{
    private readonly BertEncoder encoder;
    private readonly LinearLayer classifier;
    private readonly GraphArena arena;
    private readonly Dictionary<(bool Training, int Batch, int Length, double Smoothing),
        CompiledGraph> graphs = [];

    /// <summary>Makes a model with random weights.</summary>
    /// <param name="config">Its shape.</param>
    /// <param name="labels">Names of the classes, two or more, all different.</param>
    /// <param name="backend">What it runs on.</param>
    /// <param name="seed">Same seed, same weights, on every backend.</param>
    /// <exception cref="ArgumentException">The configuration or the names are not valid.
    /// </exception>
    public BertClassifier(
        BertConfig config, IReadOnlyList<string> labels, Backend backend, ulong seed)
        : this(config, labels, backend) => Parameters.Allocate(seed);

    private BertClassifier(BertConfig config, IReadOnlyList<string> labels, Backend backend)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(labels);
        ArgumentNullException.ThrowIfNull(backend);
        config.Validate();
        if (labels.Count < 2 || labels.Distinct().Count() < labels.Count)
        {
            Throw($"{labels.Count} classes, {labels.Distinct().Count()} of them different; " +
                "expected two or more different ones. Give examples of each class.");
        }

        Config = config;
        Labels = [.. labels];
        Backend = backend;
        Parameters = new(backend);
        encoder = new(config, Parameters);
        classifier = new(Parameters, "classifier", config.Width, labels.Count,
            initializer: BertEncoder.Weights);
        arena = new(backend);
    }

    /// <summary>Shape of the model.</summary>
    public BertConfig Config { get; }

    /// <summary>Names of the classes.</summary>
    public IReadOnlyList<string> Labels { get; }

    /// <summary>The weights.</summary>
    public ParameterSet Parameters { get; }

    /// <summary>What it runs on.</summary>
    public Backend Backend { get; }

    /// <inheritdoc/>
    public string ConfigJson => Config.ToJson(Kind, WriteLabels);

    /// <inheritdoc/>
    public int Positions => Config.Positions;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A size is not positive or exceeds the model's
    /// positions.</exception>
    public CompiledGraph TrainingGraph(int batch, int length, double labelSmoothing = 0) =>
        Find(true, batch, length, labelSmoothing);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">As for <see cref="TrainingGraph"/>.</exception>
    public CompiledGraph EvaluationGraph(int batch, int length) => Find(false, batch, length, 0);

    /// <summary>The attention weights of every layer and head for one text or pair.</summary>
    /// <param name="ids">Tokens [T], special ones included.</param>
    /// <param name="segments">The segment of each [T].</param>
    /// <returns>By layer [H, T, T]: row t shows what token t looks at.</returns>
    /// <exception cref="ArgumentException">The text is empty, longer than the model's positions, or
    /// holds an unknown id.</exception>
    public IReadOnlyList<AttentionMap> Attention(int[] ids, int[] segments)
    {
        ArgumentNullException.ThrowIfNull(ids);
        ArgumentNullException.ThrowIfNull(segments);
        RequireSizes(1, ids.Length);
        return encoder.Attention(arena, ids, segments);
    }

    /// <summary>Returns all memory of the model and its graphs.</summary>
    public void Dispose()
    {
        foreach (CompiledGraph graph in graphs.Values) graph.Dispose();
        graphs.Clear();
        arena.Dispose();
        Parameters.Dispose();
    }

    /// <summary>The graph of training or evaluation, not compiled.</summary>
    internal GraphBuilder Build(int batch, int length, double labelSmoothing, bool withLogits)
    {
        GraphBuilder g = new("classifier", Parameters);
        GraphTensor x = encoder.Encode(g, g.Input("ids", new(batch, length), DType.Int32),
            g.Input("segments", new(batch, length), DType.Int32),
            g.Input("lengths", new(batch), DType.Int32));
        GraphTensor pooled = g.Dropout(encoder.Pool(
            g, x, g.Input("firstRows", new(batch, 1), DType.Int32)),
            Config.Dropout, "classifier.dropout");
        GraphTensor logits = classifier.Apply(g, pooled);
        g.Output("loss", g.CrossEntropy(
            logits, g.Input("labels", new(batch), DType.Int32), labelSmoothing,
            Batch.IgnoredLabel, LossReduction.Sum, "loss"));
        if (withLogits) g.Output("logits", logits);
        return g;
    }

    private CompiledGraph Find(bool training, int batch, int length, double labelSmoothing)
    {
        if (graphs.TryGetValue((training, batch, length, labelSmoothing), out CompiledGraph? graph))
            return graph;
        RequireSizes(batch, length);
        graph = Build(batch, length, labelSmoothing, withLogits: !training).Compile(
            new() { Backend = Backend, Training = training, Arena = arena });
        graph.Feed<int>("firstRows", BertEncoder.FirstRows(batch, length));
        return graphs[(training, batch, length, labelSmoothing)] = graph;
    }

    private void RequireSizes(int batch, int length)
    {
        if (batch < 1 || length < 1)
            Throw($"{batch} texts of {length} tokens; expected 1 or more of both.");
        if (length > Config.Positions)
        {
            Throw($"'length' is {length}; the model has {Config.Positions} positions. Use " +
                "shorter texts, or a model with more positions.");
        }
    }

    [DoesNotReturn]
    private static void Throw(string message) =>
        throw new ArgumentException($"BertClassifier: {message}");
}
