using Transformer.Models.Graph;
using Transformer.Models.Interchange;
using Transformer.Models.Layers;
using Transformer.Ops;

namespace Transformer.Models;

/// <summary>What all layers of a model share.</summary>
/// <param name="Width">D: width of the model.</param>
/// <param name="Heads">Attention heads.</param>
/// <param name="Norm">Where the normalisations stand.</param>
/// <param name="Activation">Of the feed-forward.</param>
/// <param name="Epsilon">ε of the normalisations.</param>
internal readonly record struct OnnxSizes(
    int Width, int Heads, NormPlacement Norm, Activation Activation, double Epsilon);

/// <summary>The layers of this library as operators of ai.onnx.</summary>
/// <remarks>Weights keep the names of the model's parameters; matrices of linear layers lie as
/// [in, out], which needs no transposition when they are used.</remarks>
internal sealed class OnnxLayers
{
    private readonly OnnxSizes sizes;
    private readonly Dictionary<string, Parameter> parameters;
    private readonly string split, joined, scale, hiddenScore, zero, one;

    public OnnxLayers(string name, ParameterSet parameters, OnnxSizes sizes)
    {
        this.sizes = sizes;
        this.parameters = parameters.All.ToDictionary(p => p.Name);
        Graph = new(name);
        int head = sizes.Width / sizes.Heads;

        // In Reshape, 0 keeps an axis.
        split = Graph.Numbers("shape.heads", [0, 0, sizes.Heads, head]);
        joined = Graph.Numbers("shape.joined", [0, 0, sizes.Width]);
        scale = Graph.Scalar("scale", (float)(1 / Math.Sqrt(head)));
        hiddenScore = Graph.Scalar("hidden", float.NegativeInfinity);
        zero = Graph.Numbers("zero", [0], scalar: true);
        one = Graph.Numbers("one", [1], scalar: true);
    }

    /// <summary>The graph that is built.</summary>
    public OnnxGraph Graph { get; }

    /// <summary>Vectors of tokens, of their positions where there is a table, and of their
    /// segments: [B, S] → [B, S, D].</summary>
    /// <param name="name">Of the <see cref="Embeddings"/>.</param>
    /// <param name="tokens">Name of the token table.</param>
    /// <param name="ids">[B, S] Int64.</param>
    /// <param name="scaled">Whether token vectors are multiplied by √D.</param>
    /// <param name="segments">[B, S] Int64; null: none.</param>
    public string Embed(
        string name, string tokens, string ids, bool scaled, string? segments = null)
    {
        string x = Graph.Add("Gather", [Weight(tokens), ids]);
        if (scaled)
        {
            string root = Graph.Scalar("root", (float)Math.Sqrt(sizes.Width));
            x = Graph.Add("Mul", [x, root]);
        }

        string table = $"{name}.positions.weight";
        if (parameters.ContainsKey(table))
            x = Graph.Add("Add", [x, Graph.Add("Gather", [Weight(table), Positions(ids)])]);
        if (segments is null) return x;
        return Graph.Add("Add",
            [x, Graph.Add("Gather", [Weight($"{name}.segments.weight"), segments])]);
    }

    /// <summary>Which of S tokens each of S may not see, being later: [S, S].</summary>
    /// <param name="ids">[B, S].</param>
    public string Later(string ids)
    {
        string positions = Positions(ids);
        return Graph.Add("Less",
        [
            Graph.Add("Unsqueeze", [positions, Graph.Numbers("axis.1", [1])]),
            Graph.Add("Unsqueeze", [positions, Graph.Numbers("axis.0", [0])]),
        ]);
    }

    /// <summary>Where a mask [B, S] Int64 has zeros, which stand for padding: [B, 1, 1, S].
    /// </summary>
    public string Padding(string mask) => Graph.Add("Equal",
        [Graph.Add("Unsqueeze", [mask, Graph.Numbers("axes.1.2", [1, 2])]), zero]);

    /// <summary>The first of S tokens: [B, S, D] → [B, D].</summary>
    public string First(string x) => Graph.Add("Gather", [x, zero], ("axis", 1L));

    /// <summary>An <see cref="Layers.EncoderLayer"/>: [B, S, D] → [B, S, D].</summary>
    /// <param name="name">Of its parameters.</param>
    /// <param name="x">[B, S, D].</param>
    /// <param name="hidden">Which keys are not seen, stretched to [B, H, S, S].</param>
    public string EncoderLayer(string name, string x, string hidden) => FeedForward(name, Sublayer(
        $"{name}.attention", x, y => Attention($"{name}.attention", y, y, hidden)));

    /// <summary>A <see cref="Layers.DecoderLayer"/>: [B, T, D] → [B, T, D].</summary>
    /// <param name="name">Of its parameters.</param>
    /// <param name="x">[B, T, D].</param>
    /// <param name="memory">[B, S, D].</param>
    /// <param name="later">As <see cref="Later"/> gives.</param>
    /// <param name="padding">Of the memory, as <see cref="Padding"/> gives.</param>
    public string DecoderLayer(
        string name, string x, string memory, string later, string padding)
    {
        x = Sublayer($"{name}.attention", x, y => Attention($"{name}.attention", y, y, later));
        x = Sublayer($"{name}.crossAttention", x,
            y => Attention($"{name}.crossAttention", y, memory, padding));
        return FeedForward(name, x);
    }

    /// <summary>A <see cref="LayerNormLayer"/>; x itself where the model has none of that name.
    /// </summary>
    public string NormIfAny(string name, string x) =>
        parameters.ContainsKey($"{name}.weight") ? Norm(name, x) : x;

    /// <summary>A <see cref="LayerNormLayer"/>.</summary>
    public string Norm(string name, string x) => Graph.Add("LayerNormalization",
        [x, Weight($"{name}.weight"), Weight($"{name}.bias")],
        ("axis", -1L), ("epsilon", (float)sizes.Epsilon));

    /// <summary>A <see cref="LinearLayer"/>.</summary>
    public string Linear(string name, string x)
    {
        Parameter matrix = parameters[$"{name}.weight"];
        int outputs = (int)matrix.Shape[0], inputs = (int)matrix.Shape[1];
        string weight = Graph.Weight(matrix.Name, new(inputs, outputs),
            () => StoredTensor.Transpose(StoredTensor.Values(matrix), outputs, inputs));
        return AddBias(name, Graph.Add("MatMul", [x, weight]));
    }

    /// <summary>Products with the rows of a table, plus a bias where there is one.</summary>
    /// <param name="name">Of the layer that owns the bias.</param>
    /// <param name="table">Name of the table [V, D].</param>
    /// <param name="x">[.., D].</param>
    public string Project(string name, string table, string x) => AddBias(name, Graph.Add("MatMul",
        [x, Graph.Add("Transpose", [Weight(table)], ("perm", (long[])[1, 0]))]));

    /// <summary>The activation of the feed-forward.</summary>
    public string Activate(string x) => sizes.Activation switch
    {
        Activation.Relu => Graph.Add("Relu", [x]),
        Activation.Silu => Graph.Add("Mul", [x, Graph.Add("Sigmoid", [x])]),
        Activation.Tanh => Graph.Add("Tanh", [x]),
        Activation.Gelu or Activation.GeluTanh => Graph.Add("Gelu", [x],
            ("approximate", sizes.Activation == Activation.Gelu ? "none" : "tanh")),
        _ => x,
    };

    private string Positions(string ids)
    {
        string length = Graph.Add("Gather", [Graph.Add("Shape", [ids]), one], ("axis", 0L));
        return Graph.Add("Range", [zero, length, one]);
    }

    private string Sublayer(string name, string x, Func<string, string> part)
    {
        bool pre = sizes.Norm == NormPlacement.Pre;
        string sum = Graph.Add("Add", [x, part(pre ? Norm($"{name}Norm", x) : x)]);
        return pre ? sum : Norm($"{name}Norm", sum);
    }

    private string FeedForward(string name, string x) => Sublayer($"{name}.feedForward", x,
        y => Linear($"{name}.feedForward.down", Activate(Linear($"{name}.feedForward.up", y))));

    private string Attention(string name, string x, string memory, string hidden)
    {
        string query = Heads(Linear($"{name}.query", x), [0, 2, 1, 3]);
        string key = Heads(Linear($"{name}.key", memory), [0, 2, 3, 1]);
        string value = Heads(Linear($"{name}.value", memory), [0, 2, 1, 3]);
        string scores = Graph.Add("Mul", [Graph.Add("MatMul", [query, key]), scale]);
        string visible = Graph.Add("Where", [hidden, hiddenScore, scores]);
        string context =
            Graph.Add("MatMul", [Graph.Add("Softmax", [visible], ("axis", -1L)), value]);
        string tokens = Graph.Add("Transpose", [context], ("perm", (long[])[0, 2, 1, 3]));
        return Linear($"{name}.output", Graph.Add("Reshape", [tokens, joined]));
    }

    private string Heads(string x, long[] order) =>
        Graph.Add("Transpose", [Graph.Add("Reshape", [x, split])], ("perm", order));

    private string AddBias(string name, string x) => parameters.ContainsKey($"{name}.bias")
        ? Graph.Add("Add", [x, Weight($"{name}.bias")]) : x;

    private string Weight(string name) => Graph.Weight(
        name, parameters[name].Shape, () => StoredTensor.Values(parameters[name]));
}
