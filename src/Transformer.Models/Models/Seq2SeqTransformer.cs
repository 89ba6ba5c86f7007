using System.Diagnostics.CodeAnalysis;
using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Training;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models;

/// <summary>
/// The encoder–decoder Transformer of "Attention Is All You Need": trains, translates and shows
/// what it attends to.
/// </summary>
/// <remarks>Graphs are compiled once for each shape and share one arena: only one runs at a time.
/// Not safe for use by several threads at once.</remarks>
public sealed partial class Seq2SeqTransformer : ISeq2SeqTrainingModel, IDisposable
{
    private const int IgnoredLabel = -1;

    private readonly Seq2SeqNetwork network;
    private readonly GraphArena arena;
    private readonly Dictionary<GraphKey, CompiledGraph> graphs = [];

    private readonly record struct GraphKey(
        bool Training, int Batch, int SourceLength, int TargetLength, double LabelSmoothing);

    /// <summary>Makes a model with random weights.</summary>
    /// <param name="config">Its shape.</param>
    /// <param name="backend">What it runs on.</param>
    /// <param name="seed">Same seed, same weights, on every backend.</param>
    /// <exception cref="ArgumentException">The configuration is not valid.</exception>
    public Seq2SeqTransformer(Seq2SeqConfig config, Backend backend, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(backend);
        config.Validate();
        Config = config;
        Backend = backend;
        Parameters = new(backend);
        network = new(config, Parameters);
        Parameters.Allocate(seed);
        arena = new(backend);
    }

    /// <summary>Shape of the model.</summary>
    public Seq2SeqConfig Config { get; }

    /// <inheritdoc/>
    public ParameterSet Parameters { get; }

    /// <inheritdoc/>
    public Backend Backend { get; }

    /// <inheritdoc/>
    public string ConfigJson => Config.ToJson();

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A size is not positive or exceeds the model's
    /// positions.</exception>
    public CompiledGraph TrainingGraph(
        int batch, int sourceLength, int targetLength, double labelSmoothing) =>
        Find(new(true, batch, sourceLength, targetLength, labelSmoothing));

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A size is not positive or exceeds the model's
    /// positions.</exception>
    public CompiledGraph EvaluationGraph(int batch, int sourceLength, int targetLength) =>
        Find(new(false, batch, sourceLength, targetLength, 0));

    /// <summary>Returns all memory of the model and its graphs.</summary>
    public void Dispose()
    {
        foreach (CompiledGraph graph in graphs.Values) graph.Dispose();
        graphs.Clear();
        DisposeSessions();
        arena.Dispose();
        Parameters.Dispose();
    }

    /// <summary>The graph of training or evaluation, not compiled.</summary>
    internal GraphBuilder BuildLoss(
        int batch, int sourceLength, int targetLength, double labelSmoothing, bool withLogits)
    {
        GraphBuilder g = new("seq2seq", Parameters);
        GraphTensor source = g.Input("source", new(batch, sourceLength), DType.Int32);
        GraphTensor lengths = g.Input("sourceLengths", new(batch), DType.Int32);
        GraphTensor target = g.Input("target", new(batch, targetLength), DType.Int32);
        GraphTensor labels = g.Input("labels", new(batch, targetLength), DType.Int32);
        GraphTensor memory = network.Encode(g, source, lengths);
        GraphTensor logits =
            network.Project(g, network.Decode(g, target, memory, lengths));
        g.Output("loss", g.CrossEntropy(
            logits, labels, labelSmoothing, IgnoredLabel, LossReduction.Sum, "loss"));
        if (withLogits) g.Output("logits", logits);
        return g;
    }

    private CompiledGraph Find(GraphKey key)
    {
        if (graphs.TryGetValue(key, out CompiledGraph? graph)) return graph;
        RequireSize("batch", key.Batch, int.MaxValue);
        RequireSize("source", key.SourceLength, Config.MaxPositions);
        RequireSize("target", key.TargetLength, Config.MaxPositions);
        GraphBuilder g = BuildLoss(key.Batch, key.SourceLength, key.TargetLength,
            key.LabelSmoothing, withLogits: !key.Training);
        return graphs[key] = g.Compile(
            new() { Backend = Backend, Training = key.Training, Arena = arena });
    }

    private static void RequireSize(string what, int size, int limit)
    {
        if (size < 1)
        {
            throw new ArgumentException(
                $"Seq2SeqTransformer: '{what}' has size {size}; expected 1 or more.");
        }

        if (size > limit) ThrowTooLong(what, size, limit);
    }

    [DoesNotReturn]
    private static void ThrowTooLong(string what, int length, int limit) =>
        throw new ArgumentException(
            $"Seq2SeqTransformer: {what} has {length} tokens; the model has {limit} positions. " +
            "Shorten or split the sentence, or train a model with a larger maxPositions.");
}
