using System.Numerics;
using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Tensors;

namespace Transformer.Models.Generation;

/// <summary>
/// Continues one text with key/value caches: a graph that reads many tokens at once, compiled for
/// few rounded lengths, and one that reads a single token, which is replayed for each.
/// </summary>
/// <remarks>Tokens that fill a prompt up to the rounded length come last, so that no real one sees
/// them; their keys are overwritten by what follows, and never seen before. The last layer is
/// computed for the last real token alone, but for keys and values.</remarks>
internal sealed class GptSession : IDisposable
{
    private const string Ids = "ids", PositionIds = "positionIds", Positions = "positions",
        KeyLengths = "keyLengths", LastRow = "lastRow", Lengths = "lengths",
        Logits = "logits";
    private const int ShortestPrompt = 16, MostPromptGraphs = 8;

    private readonly GptConfig config;
    private readonly GptNetwork network;
    private readonly ParameterSet parameters;
    private readonly GraphArena arena;
    private readonly CompiledGraph stepper;
    private readonly Dictionary<int, CompiledGraph> prompts = [];
    private readonly float[] fetched;

    /// <summary>Compiles the graph of a single token.</summary>
    public GptSession(GptConfig config, GptNetwork network, ParameterSet parameters)
    {
        this.config = config;
        this.network = network;
        this.parameters = parameters;
        arena = new(parameters.Backend);
        stepper = Build(1, prompt: false);
        fetched = Memory.IsHostAccessible ? [] : new float[config.Vocabulary];
    }

    /// <summary>Tokens that the caches hold.</summary>
    public int Length { get; private set; }

    /// <summary>Whose text the caches hold.</summary>
    public object? Reader { get; set; }

    /// <summary>The graph of a single token, for measuring.</summary>
    public CompiledGraph Stepper => stepper;

    private BackendMemory Memory => parameters.Backend.Memory;

    /// <summary>Starts over with a text.</summary>
    /// <param name="ids">1 to P tokens.</param>
    /// <returns>Logits [V] of the next token; valid until the next call.</returns>
    public ReadOnlySpan<float> Read(ReadOnlySpan<int> ids)
    {
        CompiledGraph graph = PromptGraph(ids.Length);
        int width = (int)graph.InputShape(Ids)[1];
        Span<int> padded = width <= 1024 ? stackalloc int[width] : new int[width];
        padded.Clear();
        ids.CopyTo(padded);
        graph.Feed<int>(Ids, padded);
        for (int i = 0; i < width; i++) padded[i] = i;
        graph.Feed<int>(PositionIds, padded);
        graph.Feed<int>(Positions, [0]);
        graph.Feed<int>(KeyLengths, [width]);
        graph.Feed<int>(LastRow, [ids.Length - 1]);
        graph.Feed<int>(Lengths, [ids.Length]);
        Length = ids.Length;
        return Run(graph);
    }

    /// <summary>Appends a token.</summary>
    /// <param name="token">It.</param>
    /// <returns>Logits [V] of the next token; valid until the next call.</returns>
    public ReadOnlySpan<float> Step(int token)
    {
        stepper.Feed<int>(Ids, [token]);
        stepper.Feed<int>(PositionIds, [Length]);
        stepper.Feed<int>(Positions, [Length]);
        stepper.Feed<int>(KeyLengths, [++Length]);
        return Run(stepper);
    }

    /// <summary>The graph that reads texts of a length.</summary>
    public CompiledGraph PromptGraph(int length)
    {
        int step = Math.Max(
            ShortestPrompt, (int)BitOperations.RoundUpToPowerOf2((uint)length) / 8);
        int width = Math.Min((length + step - 1) / step * step, config.Positions);
        if (prompts.TryGetValue(width, out CompiledGraph? graph)) return graph;
        if (prompts.Count == MostPromptGraphs)
        {
            foreach (CompiledGraph old in prompts.Values) old.Dispose();
            prompts.Clear();
        }

        return prompts[width] = Build(width, prompt: true);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (CompiledGraph graph in prompts.Values) graph.Dispose();
        stepper.Dispose();
        arena.Dispose();
    }

    private ReadOnlySpan<float> Run(CompiledGraph graph)
    {
        graph.Forward();
        if (Memory.IsHostAccessible) return graph.Output<float>(Logits);
        graph.Fetch<float>(Logits, fetched);
        return fetched;
    }

    private CompiledGraph Build(int width, bool prompt)
    {
        GraphBuilder g = new(prompt ? "prompt" : "next token", parameters);
        GraphTensor ids = g.Input(Ids, new(1, width), DType.Int32);
        GraphTensor positionIds = g.Input(PositionIds, new(1, width), DType.Int32);
        KeyValueCache cache = new(
            g.Input(Positions, new(1), DType.Int32), g.Input(KeyLengths, new(1), DType.Int32),
            config.Positions);
        LastRows? last = !prompt ? null : new(
            g.Input(LastRow, new(1, 1), DType.Int32), g.Input(Lengths, new(1), DType.Int32));
        g.Output(Logits, network.NextLogits(g, ids, positionIds, cache, last));
        return g.Compile(new() { Backend = parameters.Backend, Arena = arena });
    }
}
