using System.Diagnostics.CodeAnalysis;
using Transformer.Backends;
using Transformer.Models.Generation;
using Transformer.Models.Graph;
using Transformer.Models.Training;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models;

/// <summary>A decoder-only Transformer as GPT-2: learns to continue text, and continues it.
/// </summary>
/// <remarks>Graphs are compiled once for each shape and share one arena: only one runs at a time.
/// Not safe for use by several threads at once.</remarks>
public sealed partial class Gpt : IGptTrainingModel, IDisposable
{
    private const int MostSessions = 2;

    private readonly GptNetwork network;
    private readonly GraphArena arena;
    private readonly Dictionary<GraphKey, CompiledGraph> graphs = [];
    private readonly List<GptSession> sessions = [];

    private readonly record struct GraphKey(
        bool Training, int Batch, int Length, double LabelSmoothing);

    /// <summary>Makes a model with random weights, drawn as GPT-2's were.</summary>
    /// <param name="config">Its shape.</param>
    /// <param name="backend">What it runs on.</param>
    /// <param name="seed">Same seed, same weights, on every backend.</param>
    /// <exception cref="ArgumentException">The configuration is not valid.</exception>
    public Gpt(GptConfig config, Backend backend, ulong seed)
        : this(config, backend) => Parameters.Allocate(seed);

    private Gpt(GptConfig config, Backend backend)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(backend);
        config.Validate();
        Config = config;
        Backend = backend;
        Parameters = new(backend);
        network = new(config, Parameters);
        arena = new(backend);
    }

    /// <summary>Shape of the model.</summary>
    public GptConfig Config { get; }

    /// <summary>The weights.</summary>
    public ParameterSet Parameters { get; }

    /// <summary>What it runs on.</summary>
    public Backend Backend { get; }

    /// <inheritdoc/>
    public string ConfigJson => Config.ToJson();

    /// <inheritdoc/>
    public int Positions => Config.Positions;

    /// <summary>The training graph of a shape, the same one at each call.</summary>
    /// <param name="batch">B.</param>
    /// <param name="length">T.</param>
    /// <param name="labelSmoothing">ε of the loss.</param>
    /// <returns>A graph with the Int32 inputs "ids" and "labels" [B, T], the latter −1 where
    /// nothing counts, and "lossGradient" [1]; its output "loss" [1] is the sum over the labels
    /// that count.</returns>
    /// <exception cref="ArgumentException">A size is not positive or exceeds the model's
    /// positions.</exception>
    public CompiledGraph TrainingGraph(int batch, int length, double labelSmoothing = 0) =>
        Find(new(true, batch, length, labelSmoothing));

    /// <summary>The graph of a shape without dropout, the same one at each call.</summary>
    /// <param name="batch">B.</param>
    /// <param name="length">T.</param>
    /// <returns>A graph with the same inputs but "lossGradient", and the outputs "loss" [1], the
    /// sum, and "logits" [B, T, V].</returns>
    /// <exception cref="ArgumentException">As for <see cref="TrainingGraph"/>.</exception>
    public CompiledGraph EvaluationGraph(int batch, int length) =>
        Find(new(false, batch, length, 0));

    /// <summary>Returns all memory of the model and its graphs.</summary>
    public void Dispose()
    {
        foreach (CompiledGraph graph in graphs.Values) graph.Dispose();
        graphs.Clear();
        foreach (GptSession session in sessions) session.Dispose();
        sessions.Clear();
        arena.Dispose();
        Parameters.Dispose();
    }

    /// <summary>The graphs that continue one text.</summary>
    internal GptSession Session => SessionOf(1);

    /// <summary>The graphs that continue texts together; those of the sizes used last are kept.
    /// </summary>
    /// <param name="rows">Texts.</param>
    internal GptSession SessionOf(int rows)
    {
        GptSession? session = sessions.Find(s => s.Rows == rows);
        if (session is not null) sessions.Remove(session);
        else if (sessions.Count == MostSessions)
        {
            sessions[0].Dispose();
            sessions.RemoveAt(0);
        }

        session ??= new(Config, network, Parameters, rows);
        sessions.Add(session);
        return session;
    }

    /// <summary>The graph of training or evaluation, not compiled.</summary>
    internal GraphBuilder BuildLoss(
        int batch, int length, double labelSmoothing, bool withLogits)
    {
        GraphBuilder g = new("gpt", Parameters);
        GraphTensor ids = g.Input("ids", new(batch, length), DType.Int32);
        GraphTensor labels = g.Input("labels", new(batch, length), DType.Int32);
        GraphTensor logits = network.Logits(g, ids);
        g.Output("loss", g.CrossEntropy(
            logits, labels, labelSmoothing, Batch.IgnoredLabel, LossReduction.Sum, "loss"));
        if (withLogits) g.Output("logits", logits);
        return g;
    }

    private CompiledGraph Find(GraphKey key)
    {
        if (graphs.TryGetValue(key, out CompiledGraph? graph)) return graph;
        RequireSize("batch", key.Batch, int.MaxValue);
        RequireSize("length", key.Length, Config.Positions);
        GraphBuilder g =
            BuildLoss(key.Batch, key.Length, key.LabelSmoothing, withLogits: !key.Training);
        return graphs[key] = g.Compile(
            new() { Backend = Backend, Training = key.Training, Arena = arena });
    }

    private static void RequireSize(string what, int size, int limit)
    {
        if (size < 1)
            Throw($"'{what}' is {size}; expected 1 or more.");
        if (size > limit)
        {
            Throw($"'{what}' is {size}; the model has {limit} positions. Use shorter windows, or " +
                "train a model with more positions.");
        }
    }

    [DoesNotReturn]
    private static void Throw(string message) => throw new ArgumentException($"Gpt: {message}");
}
