using System.Numerics;
using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Tensors;

namespace Transformer.Models.Generation;

/// <summary>
/// Continues texts with key/value caches: a graph that reads many tokens of each at once, compiled
/// for few rounded lengths, and one that reads a single token of each, which is replayed.
/// </summary>
/// <remarks>A row is a text; rows may have any lengths. Tokens that fill a prompt up to the rounded
/// length come last, so that no real one sees them; their keys are overwritten by what follows, and
/// never seen before. The last layer is computed for the last real token alone, but for keys and
/// values.</remarks>
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
    private readonly CacheRows caches;
    private readonly Dictionary<int, CompiledGraph> prompts = [];
    private readonly float[] fetched;
    private readonly int[] lengths;
    private readonly int[] tokenIds;
    private readonly int[] positions;
    private readonly int[] lastRows;
    private int[] padded = [];

    /// <summary>Compiles the graph of a single token.</summary>
    public GptSession(
        GptConfig config, GptNetwork network, ParameterSet parameters, int rows)
    {
        this.config = config;
        this.network = network;
        this.parameters = parameters;
        Rows = rows;
        arena = new(parameters.Backend);
        GraphBuilder step = Build(1, prompt: false);
        stepper = Compile(step);
        caches = new(arena, Memory, [.. step.States.Values], rows, config.Positions);
        fetched = Memory.IsHostAccessible ? [] : new float[rows * config.Vocabulary];
        lengths = new int[rows];
        tokenIds = new int[rows];
        positions = new int[rows];
        lastRows = new int[rows];
    }

    /// <summary>Texts continued together.</summary>
    public int Rows { get; }

    /// <summary>Tokens that the caches of the first row hold.</summary>
    public int Length => lengths[0];

    /// <summary>Whose texts the caches hold.</summary>
    public object? Reader { get; set; }

    /// <summary>The graph of a single token, for measuring.</summary>
    public CompiledGraph Stepper => stepper;

    private BackendMemory Memory => parameters.Backend.Memory;

    /// <summary>Starts over with the text of the only row.</summary>
    /// <param name="ids">1 to P tokens.</param>
    /// <returns>Logits [V] of the next token; valid until the next call.</returns>
    public ReadOnlySpan<float> Read(ReadOnlySpan<int> ids) => Read(ids, [ids.Length]);

    /// <summary>Starts over with a text in each row.</summary>
    /// <param name="ids">Tokens of all texts, one text after the other.</param>
    /// <param name="counts">[rows]: tokens of each text, 1 to P.</param>
    /// <returns>Logits [rows, V] of the next tokens; valid until the next call.</returns>
    public ReadOnlySpan<float> Read(scoped ReadOnlySpan<int> ids, scoped ReadOnlySpan<int> counts)
    {
        int longest = 0;
        foreach (int count in counts) longest = Math.Max(longest, count);
        CompiledGraph graph = PromptGraph(longest);
        int width = (int)graph.InputShape(Ids)[1];
        Span<int> cells = Cells(Rows * width);
        cells.Clear();
        for (int row = 0, start = 0; row < Rows; start += counts[row++])
            ids.Slice(start, counts[row]).CopyTo(cells[(row * width)..]);
        graph.Feed<int>(Ids, cells);
        for (int i = 0; i < cells.Length; i++) cells[i] = i % width;
        graph.Feed<int>(PositionIds, cells);
        counts.CopyTo(lengths);
        for (int row = 0; row < Rows; row++) lastRows[row] = (row * width) + lengths[row] - 1;
        graph.Feed<int>(LastRow, lastRows);
        graph.Feed<int>(Lengths, lengths);
        Array.Clear(positions);
        graph.Feed<int>(Positions, positions);
        Array.Fill(positions, width);
        graph.Feed<int>(KeyLengths, positions);
        return Run(graph);
    }

    /// <summary>Appends a token to the only row.</summary>
    /// <param name="token">It.</param>
    /// <returns>Logits [V] of the next token; valid until the next call.</returns>
    public ReadOnlySpan<float> Step(int token) => Step([token]);

    /// <summary>Appends a token to each row.</summary>
    /// <param name="tokens">[rows]; a negative one leaves its row as it is, with logits that mean
    /// nothing.</param>
    /// <returns>Logits [rows, V] of the next tokens; valid until the next call.</returns>
    public ReadOnlySpan<float> Step(scoped ReadOnlySpan<int> tokens)
    {
        for (int row = 0; row < Rows; row++)
        {
            bool idle = tokens[row] < 0;
            tokenIds[row] = idle ? 0 : tokens[row];

            // An idle row writes its own last position again, which nobody reads any more.
            positions[row] = idle ? lengths[row] - 1 : lengths[row]++;
        }

        stepper.Feed<int>(Ids, tokenIds);
        stepper.Feed<int>(PositionIds, positions);
        stepper.Feed<int>(Positions, positions);
        stepper.Feed<int>(KeyLengths, lengths);
        return Run(stepper);
    }

    /// <summary>Gives each row the text of another.</summary>
    /// <param name="parents">[rows]: row i goes on with what row parents[i] held, of the same
    /// length.</param>
    public void Reorder(ReadOnlySpan<int> parents) => caches.Reorder(parents, lengths.Max());

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

        return prompts[width] = Compile(Build(width, prompt: true));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (CompiledGraph graph in prompts.Values) graph.Dispose();
        stepper.Dispose();
        caches.Dispose();
        arena.Dispose();
    }

    private ReadOnlySpan<float> Run(CompiledGraph graph)
    {
        graph.Forward();
        if (Memory.IsHostAccessible) return graph.Output<float>(Logits);
        graph.Fetch<float>(Logits, fetched);
        return fetched;
    }

    private Span<int> Cells(int count)
    {
        if (padded.Length < count) padded = new int[count];
        return padded.AsSpan(0, count);
    }

    private CompiledGraph Compile(GraphBuilder g) =>
        g.Compile(new() { Backend = parameters.Backend, Arena = arena });

    private GraphBuilder Build(int width, bool prompt)
    {
        GraphBuilder g = new(prompt ? "prompt" : "next token", parameters);
        GraphTensor ids = g.Input(Ids, new(Rows, width), DType.Int32);
        GraphTensor positionIds = g.Input(PositionIds, new(Rows, width), DType.Int32);
        KeyValueCache cache = new(
            g.Input(Positions, new(Rows), DType.Int32),
            g.Input(KeyLengths, new(Rows), DType.Int32), config.Positions);
        LastRows? last = !prompt ? null : new(
            g.Input(LastRow, new(Rows, 1), DType.Int32),
            g.Input(Lengths, new(Rows), DType.Int32));
        g.Output(Logits, network.NextLogits(g, ids, positionIds, cache, last));
        return g;
    }
}
