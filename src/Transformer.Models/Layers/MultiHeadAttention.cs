using Transformer.Models.Graph;

namespace Transformer.Models.Layers;

/// <summary>Sizes of <see cref="MultiHeadAttention"/>.</summary>
public sealed record MultiHeadAttentionOptions
{
    /// <summary>Width of queries' source and of the output.</summary>
    public required int Width { get; init; }

    /// <summary>Hq: query heads; the width must be a multiple.</summary>
    public required int Heads { get; init; }

    /// <summary>Hkv: key and value heads; 0 means <see cref="Heads"/>.</summary>
    public int KeyValueHeads { get; init; }

    /// <summary>Width of keys' and values' source; 0 means <see cref="Width"/>.</summary>
    public int MemoryWidth { get; init; }

    /// <summary>Whether the four projections have biases.</summary>
    public bool Bias { get; init; } = true;

    /// <summary>How weights begin; null: Xavier uniform.</summary>
    public WeightInitializers? Weights { get; init; }

    /// <summary>How attention of a sequence to itself learns of positions; null: not by itself.
    /// </summary>
    public AttentionPositions? Positions { get; init; }
}

/// <summary>Key and value of each position, projected once and used many times.</summary>
/// <param name="Key">[B, Skv, Hkv·D].</param>
/// <param name="Value">[B, Skv, Hkv·D].</param>
public readonly record struct KeyValue(GraphTensor Key, GraphTensor Value);

/// <summary>Where and how far key and value caches are filled.</summary>
/// <param name="Positions">[B] Int32: rows that the caches hold before the new ones.</param>
/// <param name="KeyLengths">[B] Int32: rows that they hold with the new ones.</param>
/// <param name="Capacity">Rows that they can hold.</param>
/// <param name="PositionIds">[B, new] Int32: positions of the new rows, for layers that rotate;
/// null: none do.</param>
public sealed record KeyValueCache(
    GraphTensor Positions, GraphTensor KeyLengths, int Capacity, GraphTensor? PositionIds = null);

/// <summary>
/// Query, key and value projections, fused attention over all heads, output projection.
/// </summary>
/// <remarks>Vaswani et al.: "Attention Is All You Need", 2017, §3.2. The weights of query, key and
/// value are neighbours in memory, so that compilation makes one product of the three (of key and
/// value, where the query has another source).</remarks>
public sealed class MultiHeadAttention
{
    private readonly string name;
    private readonly MultiHeadAttentionOptions options;
    private readonly LinearLayer query;
    private readonly LinearLayer key;
    private readonly LinearLayer value;
    private readonly LinearLayer output;

    /// <summary>Declares NAME.query, .key, .value and .output, each .weight and .bias.</summary>
    /// <param name="parameters">The model's parameters.</param>
    /// <param name="name">Prefix of the parameters' names.</param>
    /// <param name="options">Sizes.</param>
    /// <exception cref="ArgumentException">Heads do not divide the width.</exception>
    public MultiHeadAttention(
        ParameterSet parameters, string name, MultiHeadAttentionOptions options)
    {
        this.name = name;
        this.options = options;
        if (options.Heads < 1 || options.Width % options.Heads != 0)
        {
            throw new ArgumentException(
                $"MultiHeadAttention '{name}': width {options.Width} is not divisible by " +
                $"{options.Heads} heads. Choose a divisor.");
        }

        int width = options.Width;
        int memory = options.MemoryWidth == 0 ? width : options.MemoryWidth;
        KeyValueWidth = width / options.Heads * KeyValueHeads;
        Parameter[] weights = DeclareWeights(parameters, width, memory);
        Parameter?[] biases = options.Bias
            ? parameters.DeclareGroup(
                Bias("query", width), Bias("key", KeyValueWidth), Bias("value", KeyValueWidth))
            : new Parameter?[3];
        query = new($"{name}.query", weights[0], biases[0]);
        key = new($"{name}.key", weights[1], biases[1]);
        value = new($"{name}.value", weights[2], biases[2]);
        output = new(parameters, $"{name}.output", width, width, options.Bias,
            options.Weights?.Residual);
    }

    private int KeyValueHeads =>
        options.KeyValueHeads == 0 ? options.Heads : options.KeyValueHeads;

    /// <summary>Hkv·D: width of a key and of a value over all heads.</summary>
    public int KeyValueWidth { get; }

    /// <summary>Attends from x to itself, or to a memory.</summary>
    /// <param name="g">The graph.</param>
    /// <param name="x">[B, Sq, width].</param>
    /// <param name="memory">[B, Skv, memory width]; null: x itself.</param>
    /// <param name="visibility">Causal, key lengths, mask, score output; its heads, and its name
    /// where it has none, are filled in.</param>
    /// <returns>[B, Sq, width].</returns>
    /// <exception cref="ArgumentException">Types or shapes do not fit.</exception>
    public GraphTensor Apply(
        GraphBuilder g, GraphTensor x, GraphTensor? memory = null,
        AttentionNodeOptions? visibility = null)
    {
        GraphTensor queries = query.Apply(g, x);
        KeyValue all = ProjectKeyValue(g, memory ?? x);
        if (memory is not null || options.Positions is not { } positions)
            return Attend(g, queries, all, visibility);
        queries = positions.Rotate(g, queries, options.Heads, null, $"{name}.query");
        all = all with
        {
            Key = positions.Rotate(g, all.Key, KeyValueHeads, null, $"{name}.key"),
        };
        return Attend(g, queries, all, positions.AddTo(visibility ?? new()));
    }

    /// <summary>Attends from x to keys and values that are projected already.</summary>
    /// <param name="g">The graph.</param>
    /// <param name="x">[B, Sq, width].</param>
    /// <param name="memory">Keys and values.</param>
    /// <param name="visibility">As in <see cref="Apply"/>.</param>
    /// <returns>[B, Sq, width].</returns>
    /// <exception cref="ArgumentException">Types or shapes do not fit.</exception>
    public GraphTensor ApplyProjected(
        GraphBuilder g, GraphTensor x, KeyValue memory, AttentionNodeOptions? visibility = null) =>
        Attend(g, query.Apply(g, x), memory, visibility);

    /// <summary>Appends the keys and values of x to caches and attends to all of them, each new
    /// position to those up to itself.</summary>
    /// <param name="g">The graph.</param>
    /// <param name="x">[B, new, width].</param>
    /// <param name="cache">Where the new rows go. The caches are the states NAME.cache.key and
    /// NAME.cache.value, [B, capacity, Hkv·D].</param>
    /// <param name="visibility">As in <see cref="Apply"/>; causality and lengths are filled in.
    /// </param>
    /// <param name="rows">[B, 1] Int32: the row of x, as a matrix, that is the last of each
    /// sequence by the cache's lengths; null: every row attends.</param>
    /// <returns>[B, new, width]; [B, 1, width] with rows.</returns>
    /// <exception cref="ArgumentException">Types or shapes do not fit.</exception>
    public GraphTensor ApplyCached(
        GraphBuilder g, GraphTensor x, KeyValueCache cache,
        AttentionNodeOptions? visibility = null, GraphTensor? rows = null)
    {
        KeyValue added = ProjectKeyValue(g, x);
        GraphTensor queries;
        if (options.Positions is { Rotates: true } rotary)
        {
            added = added with
            {
                Key = rotary.Rotate(g, added.Key, KeyValueHeads, cache.PositionIds, $"{name}.key"),
            };

            // The wanted rows alone would need their positions apart.
            queries = rotary.Rotate(
                g, query.Apply(g, x), options.Heads, cache.PositionIds, $"{name}.query");
            if (rows is not null) queries = g.Gather(queries, rows);
        }
        else queries = query.Apply(g, rows is null ? x : g.Gather(x, rows));

        Tensors.TensorShape shape = new(x.Shape[0], cache.Capacity, KeyValueWidth);
        KeyValue all = new(
            g.KvCacheAppend(added.Key, cache.Positions, g.State($"{name}.cache.key", shape),
                $"{name}.cache.key"),
            g.KvCacheAppend(added.Value, cache.Positions, g.State($"{name}.cache.value", shape),
                $"{name}.cache.value"));
        visibility = (visibility ?? new()) with
        {
            Causal = Ops.CausalAlignment.BottomRight,
            KeyLengths = cache.KeyLengths,
        };
        return Attend(g, queries, all, options.Positions?.AddTo(visibility) ?? visibility);
    }

    /// <summary>Keys and values of a memory, to be kept.</summary>
    /// <param name="g">The graph.</param>
    /// <param name="memory">[B, Skv, memory width].</param>
    /// <exception cref="ArgumentException">The width does not fit.</exception>
    public KeyValue ProjectKeyValue(GraphBuilder g, GraphTensor memory) =>
        new(key.Apply(g, memory), value.Apply(g, memory));

    private GraphTensor Attend(
        GraphBuilder g, GraphTensor queries, KeyValue memory, AttentionNodeOptions? visibility)
    {
        visibility ??= new();
        GraphTensor context = g.Attention(queries, memory.Key, memory.Value, visibility with
        {
            Heads = options.Heads,
            KeyValueHeads = options.KeyValueHeads,
            Name = visibility.Name ?? name,
        });
        return output.Apply(g, context);
    }

    private Parameter[] DeclareWeights(ParameterSet parameters, int width, int memory)
    {
        if (memory == width)
        {
            return parameters.DeclareGroup(
                Weight("query", width, width), Weight("key", KeyValueWidth, width),
                Weight("value", KeyValueWidth, width));
        }

        return
        [
            .. parameters.DeclareGroup(Weight("query", width, width)),
            .. parameters.DeclareGroup(
                Weight("key", KeyValueWidth, memory), Weight("value", KeyValueWidth, memory)),
        ];
    }

    private ParameterDeclaration Weight(string part, int outputs, int inputs) =>
        new($"{name}.{part}.weight", new(outputs, inputs),
            options.Weights?.Inner ?? Initializer.XavierUniform());

    private ParameterDeclaration Bias(string part, int width) =>
        new($"{name}.{part}.bias", new(width), Initializer.Zeros, Decay: false);
}
