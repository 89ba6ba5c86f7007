using System.Diagnostics.CodeAnalysis;
using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Models.Training;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models;

/// <summary>An encoder-only Transformer as BERT with its two heads of pre-training: it guesses
/// masked tokens, and whether the second of two texts follows the first.</summary>
/// <remarks>Devlin et al. 2018, §3.1. The head for masked tokens is a linear layer, GELU and a
/// normalisation; its logits are products with the token table, plus a bias. Graphs are compiled
/// once for each shape and share one arena: only one runs at a time. Not safe for use by several
/// threads at once.</remarks>
public sealed partial class Bert : IBertTrainingModel, IDisposable
{
    private readonly BertEncoder encoder;
    private readonly LinearLayer transform;
    private readonly LayerNormLayer transformNorm;
    private readonly LinearLayer decoder;
    private readonly LinearLayer next;
    private readonly GraphArena arena;
    private readonly Dictionary<GraphKey, CompiledGraph> graphs = [];

    private readonly record struct GraphKey(
        bool Training, int Batch, int Length, int Masked, double LabelSmoothing);

    /// <summary>Makes a model with random weights, drawn as BERT's were.</summary>
    /// <param name="config">Its shape.</param>
    /// <param name="backend">What it runs on.</param>
    /// <param name="seed">Same seed, same weights, on every backend.</param>
    /// <exception cref="ArgumentException">The configuration is not valid.</exception>
    public Bert(BertConfig config, Backend backend, ulong seed)
        : this(config, backend) => Parameters.Allocate(seed);

    private Bert(BertConfig config, Backend backend)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(backend);
        config.Validate();
        Config = config;
        Backend = backend;
        Parameters = new(backend);
        encoder = new(config, Parameters);
        transform = new(Parameters, "masked.transform", config.Width, config.Width,
            initializer: BertEncoder.Weights);
        transformNorm = new(Parameters, "masked.norm", config.Width, config.Epsilon);
        decoder = new("masked.output", encoder.TokenTable, Parameters.Declare(
            "masked.output.bias", new(config.Vocabulary), Initializer.Zeros, decay: false));
        next = new(Parameters, "next", config.Width, 2, initializer: BertEncoder.Weights);
        arena = new(backend);
    }

    /// <summary>Shape of the model.</summary>
    public BertConfig Config { get; }

    /// <summary>The weights.</summary>
    public ParameterSet Parameters { get; }

    /// <summary>What it runs on.</summary>
    public Backend Backend { get; }

    /// <inheritdoc/>
    public string ConfigJson => Config.ToJson();

    /// <inheritdoc/>
    public int Positions => Config.Positions;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A size is not positive or exceeds the model's
    /// positions.</exception>
    public CompiledGraph TrainingGraph(
        int batch, int length, int masked, double labelSmoothing = 0) =>
        Find(new(true, batch, length, masked, labelSmoothing));

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">As for <see cref="TrainingGraph"/>.</exception>
    public CompiledGraph EvaluationGraph(int batch, int length, int masked) =>
        Find(new(false, batch, length, masked, 0));

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
        RequireSize("length", ids.Length, Config.Positions);
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
    internal GraphBuilder Build(
        int batch, int length, int masked, double labelSmoothing, bool training)
    {
        GraphBuilder g = new("bert", Parameters);
        GraphTensor x = encoder.Encode(g, g.Input("ids", new(batch, length), DType.Int32),
            g.Input("segments", new(batch, length), DType.Int32),
            g.Input("lengths", new(batch), DType.Int32));
        GraphTensor chosen = g.Gather(
            x, g.Input("maskedRows", new(batch, masked), DType.Int32), "masked.rows");
        GraphTensor logits = decoder.Apply(g, transformNorm.Apply(
            g, transform.Apply(g, chosen, Config.Activation)));
        GraphTensor nextLogits = next.Apply(g, encoder.Pool(
            g, x, g.Input("firstRows", new(batch, 1), DType.Int32)));
        LossReduction reduction = training ? LossReduction.Mean : LossReduction.Sum;
        GraphTensor maskedLoss = g.CrossEntropy(
            logits, g.Input("labels", new(batch, masked), DType.Int32), labelSmoothing,
            Batch.IgnoredLabel, reduction, "masked.loss");
        GraphTensor nextLoss = g.CrossEntropy(
            nextLogits, g.Input("nextLabels", new(batch), DType.Int32), 0, Batch.IgnoredLabel,
            reduction, "next.loss");
        if (training)
        {
            g.Output("loss", g.Add(maskedLoss, nextLoss, "loss"));
            return g;
        }

        g.Output("loss", maskedLoss);
        g.Output("nextLoss", nextLoss);
        g.Output("logits", logits);
        g.Output("nextLogits", nextLogits);
        return g;
    }

    private CompiledGraph Find(GraphKey key)
    {
        if (graphs.TryGetValue(key, out CompiledGraph? graph)) return graph;
        RequireSize("batch", key.Batch, int.MaxValue);
        RequireSize("length", key.Length, Config.Positions);
        RequireSize("masked", key.Masked, int.MaxValue);
        GraphBuilder g =
            Build(key.Batch, key.Length, key.Masked, key.LabelSmoothing, key.Training);
        graph = g.Compile(new() { Backend = Backend, Training = key.Training, Arena = arena });
        graph.Feed<int>("firstRows", BertEncoder.FirstRows(key.Batch, key.Length));
        return graphs[key] = graph;
    }

    private static void RequireSize(string what, int size, int limit)
    {
        if (size < 1)
            Throw($"'{what}' is {size}; expected 1 or more.");
        if (size > limit)
        {
            Throw($"'{what}' is {size}; the model has {limit} positions. Use shorter texts, or a " +
                "model with more positions.");
        }
    }

    [DoesNotReturn]
    private static void Throw(string message) => throw new ArgumentException($"Bert: {message}");
}
