using Transformer.Models.Graph.Nodes;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models.Graph;

/// <summary>
/// Records a static graph of ops. Every method checks types and shapes at once and returns the
/// value that the op will compute; nothing runs before <see cref="Compile"/>.
/// </summary>
public sealed class GraphBuilder
{
    private readonly Dictionary<string, GraphTensor> inputs = [];
    private readonly Dictionary<string, GraphTensor> states = [];
    private readonly Dictionary<string, GraphTensor> outputs = [];
    private readonly List<GraphNode> nodes = [];
    private readonly Dictionary<string, int> numbers = [];
    private uint dropouts;

    /// <summary>Starts an empty graph.</summary>
    /// <param name="name">For messages and listings.</param>
    /// <param name="parameters">The model's parameters.</param>
    public GraphBuilder(string name, ParameterSet parameters)
    {
        Name = name;
        Parameters = parameters;
    }

    /// <summary>For messages and listings.</summary>
    public string Name { get; }

    /// <summary>The model's parameters.</summary>
    public ParameterSet Parameters { get; }

    internal IReadOnlyList<GraphNode> Nodes => nodes;

    internal IReadOnlyDictionary<string, GraphTensor> Inputs => inputs;

    internal IReadOnlyDictionary<string, GraphTensor> States => states;

    internal IReadOnlyDictionary<string, GraphTensor> Outputs => outputs;

    /// <summary>Declares a value that the host writes before a run; it stays until written
    /// again.</summary>
    /// <exception cref="ArgumentException">The name is taken.</exception>
    public GraphTensor Input(string name, TensorShape shape, DType dtype = DType.Float32) =>
        Claim(inputs, "input", name, new(name, shape, dtype, TensorSource.Input));

    /// <summary>Declares a value that persists between runs, zero at first.</summary>
    /// <exception cref="ArgumentException">The name is taken.</exception>
    public GraphTensor State(string name, TensorShape shape, DType dtype = DType.Float32) =>
        Claim(states, "state", name, new(name, shape, dtype, TensorSource.State));

    /// <summary>scale · table[id] + position + segment.</summary>
    /// <param name="ids">[B, S] Int32.</param>
    /// <param name="table">[vocabulary, D].</param>
    /// <param name="positions">[positions, D]; optional.</param>
    /// <param name="positionIds">[B, S] Int32; absent: 0, 1, 2, … in each sequence.</param>
    /// <param name="segments">[segments, D]; optional.</param>
    /// <param name="segmentIds">[B, S] Int32; present exactly where the table is.</param>
    /// <param name="scale">Multiplies the token's vector.</param>
    /// <param name="name">Name of the node.</param>
    /// <returns>[B, S, D].</returns>
    /// <exception cref="ArgumentException">Types or shapes do not fit.</exception>
    public GraphTensor Embedding(
        GraphTensor ids, Parameter table, Parameter? positions = null,
        GraphTensor? positionIds = null, Parameter? segments = null,
        GraphTensor? segmentIds = null, double scale = 1, string? name = null) =>
        Record(new EmbeddingNode(
            name ?? FromWeight(table, "embedding"), ids, positionIds, segmentIds,
            new(table, positions, segments, scale)));

    /// <summary>activation(x · weightᵀ + bias).</summary>
    /// <param name="x">[.., in].</param>
    /// <param name="weight">[out, in].</param>
    /// <param name="bias">[out]; optional.</param>
    /// <param name="activation">Applied last.</param>
    /// <param name="name">Name of the node.</param>
    /// <returns>[.., out].</returns>
    /// <exception cref="ArgumentException">Types or shapes do not fit.</exception>
    public GraphTensor Linear(
        GraphTensor x, Parameter weight, Parameter? bias = null,
        Activation activation = Activation.None, string? name = null)
    {
        name ??= FromWeight(weight, "linear");
        GraphTensor product = Record(new LinearNode(name, x, weight, bias));
        return Activate(product, activation, $"{name}.activation");
    }

    /// <summary>max(x, 0).</summary>
    public GraphTensor Relu(GraphTensor x, string? name = null) =>
        Activate(x, Activation.Relu, name ?? Numbered("relu"));

    /// <summary>GELU, exact or by GPT-2's tanh approximation.</summary>
    public GraphTensor Gelu(GraphTensor x, bool tanh = false, string? name = null) => Activate(
        x, tanh ? Activation.GeluTanh : Activation.Gelu, name ?? Numbered("gelu"));

    /// <summary>Normalises each row to mean 0 and variance 1, then scales and shifts.</summary>
    /// <param name="x">[.., D].</param>
    /// <param name="weight">[D]; optional.</param>
    /// <param name="bias">[D]; optional.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="name">Name of the node.</param>
    /// <returns>[.., D].</returns>
    /// <exception cref="ArgumentException">Types or shapes do not fit.</exception>
    public GraphTensor LayerNorm(
        GraphTensor x, Parameter? weight, Parameter? bias, double epsilon = 1e-5,
        string? name = null) =>
        Record(new LayerNormNode(
            name ?? FromWeight(weight, "layerNorm"), x, weight, bias, epsilon));

    /// <summary>a + b; equal shapes.</summary>
    /// <exception cref="ArgumentException">Types or shapes do not fit.</exception>
    public GraphTensor Add(GraphTensor a, GraphTensor b, string? name = null) =>
        Record(new AddNode(name ?? Numbered("add"), a, b));

    /// <summary>Sets elements to 0 with the given probability and scales the others up; the
    /// identity in graphs for inference.</summary>
    /// <exception cref="ArgumentException">The probability is not in [0, 1).</exception>
    public GraphTensor Dropout(GraphTensor x, double probability, string? name = null) =>
        Record(new DropoutNode(name ?? Numbered("dropout"), x, probability, dropouts++));

    /// <summary>softmax(scale·q·kᵀ, over visible keys)·v for each head.</summary>
    /// <param name="q">[B, Sq, Hq·D].</param>
    /// <param name="k">[B, Skv, Hkv·D].</param>
    /// <param name="v">[B, Skv, Hkv·Dv].</param>
    /// <param name="options">Heads, visibility, score output.</param>
    /// <returns>[B, Sq, Hq·Dv].</returns>
    /// <exception cref="ArgumentException">Types or shapes do not fit.</exception>
    public GraphTensor Attention(
        GraphTensor q, GraphTensor k, GraphTensor v, AttentionNodeOptions options)
    {
        AttentionNode node = new(options.Name ?? Numbered("attention"), q, k, v, options);
        Record(node);
        if (node.Outputs.Length > 2) Output(node.Outputs[2].Name, node.Outputs[2]);
        return node.Outputs[0];
    }

    /// <summary>Rotates heads by the positions of their tokens.</summary>
    /// <param name="x">[B, S, heads · D].</param>
    /// <param name="heads">Heads of x.</param>
    /// <param name="cosines">[positions, D/2], constant; as RotaryTable.Fill makes them.</param>
    /// <param name="sines">[positions, D/2], constant.</param>
    /// <param name="positionIds">[B, S] Int32: rows of the tables; null: 0, 1, 2, ….</param>
    /// <param name="name">Name of the node.</param>
    /// <returns>[B, S, heads · D].</returns>
    /// <exception cref="ArgumentException">Types or shapes do not fit.</exception>
    public GraphTensor Rotate(
        GraphTensor x, int heads, Parameter cosines, Parameter sines,
        GraphTensor? positionIds = null, string? name = null) => Record(new RotaryNode(
            name ?? Numbered("rotary"), x, heads, cosines, sines, positionIds));

    /// <summary>Writes new rows into a cache: row i of sequence b at positions[b] + i.</summary>
    /// <param name="source">[B, new, W].</param>
    /// <param name="positions">[B] Int32: rows that the cache holds already.</param>
    /// <param name="cache">[B, capacity, W]: a state, or what an earlier append returned.</param>
    /// <param name="name">Name of the node.</param>
    /// <returns>The cache afterwards; whatever must see the new rows reads this value.</returns>
    /// <exception cref="ArgumentException">Types or shapes do not fit.</exception>
    public GraphTensor KvCacheAppend(
        GraphTensor source, GraphTensor positions, GraphTensor cache, string? name = null) =>
        Record(new KvCacheAppendNode(name ?? Numbered("append"), source, positions, cache));

    /// <summary>Rows of x, chosen when the graph runs; a row may be chosen more than once.
    /// </summary>
    /// <param name="x">[B, S, D].</param>
    /// <param name="rows">[B, N] Int32: numbers of rows of x as a matrix [B·S, D].</param>
    /// <param name="name">Name of the node.</param>
    /// <returns>[B, N, D].</returns>
    /// <exception cref="ArgumentException">Types or shapes do not fit.</exception>
    public GraphTensor Gather(GraphTensor x, GraphTensor rows, string? name = null) =>
        Record(new GatherNode(name ?? Numbered("gather"), x, rows));

    /// <summary>Cross entropy of softmax(logits) with label smoothing.</summary>
    /// <param name="logits">[.., classes].</param>
    /// <param name="labels">One Int32 for each row of logits.</param>
    /// <param name="labelSmoothing">ε in [0, 1).</param>
    /// <param name="ignoreIndex">Label of rows that do not count.</param>
    /// <param name="reduction">Mean or sum over rows that count.</param>
    /// <param name="name">Name of the node.</param>
    /// <returns>[1].</returns>
    /// <exception cref="ArgumentException">Types or shapes do not fit.</exception>
    public GraphTensor CrossEntropy(
        GraphTensor logits, GraphTensor labels, double labelSmoothing = 0,
        int? ignoreIndex = null, LossReduction reduction = LossReduction.Mean,
        string? name = null) =>
        Record(new CrossEntropyNode(
            name ?? Numbered("crossEntropy"), logits, labels, labelSmoothing, ignoreIndex,
            reduction));

    /// <summary>Names a value that can be read after a run.</summary>
    /// <exception cref="ArgumentException">The name is taken.</exception>
    public void Output(string name, GraphTensor value) => Claim(outputs, "output", name, value);

    /// <summary>Turns the recorded graph into kernel calls with planned memory.</summary>
    /// <param name="options">Backend, training or inference, fusion, arena.</param>
    /// <exception cref="ArgumentException">An option does not fit the graph.</exception>
    /// <exception cref="NotSupportedException">The backend lacks a kernel, or a node that the
    /// loss depends on has no gradient.</exception>
    public CompiledGraph Compile(CompileOptions options) =>
        new(GraphCompiler.Compile(this, options), options, Parameters.Storage);

    private GraphTensor Activate(GraphTensor x, Activation activation, string name) =>
        activation == Activation.None
            ? x
            : Record(new ActivationNode(name, x, activation));

    private GraphTensor Record(GraphNode node)
    {
        nodes.Add(node);
        return node.Outputs[0];
    }

    private GraphTensor Claim(
        Dictionary<string, GraphTensor> names, string what, string name, GraphTensor tensor)
    {
        if (!names.TryAdd(name, tensor))
        {
            throw new ArgumentException(
                $"Graph '{Name}': {what} '{name}' exists already. Use another name.");
        }

        return tensor;
    }

    private string Numbered(string kind)
    {
        int number = numbers.GetValueOrDefault(kind);
        numbers[kind] = number + 1;
        return string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{kind}{number}");
    }

    private string FromWeight(Parameter? weight, string kind) => weight is null
        ? Numbered(kind)
        : weight.Name.EndsWith(".weight", StringComparison.Ordinal)
            ? weight.Name[..^".weight".Length]
            : weight.Name;
}
