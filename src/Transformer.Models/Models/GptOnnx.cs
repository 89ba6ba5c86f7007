using System.Globalization;
using Transformer.Models.Interchange;
using Transformer.Tensors;

namespace Transformer.Models;

/// <summary>GPT-2 as a graph of ai.onnx's operators: input_ids [batch, sequence] Int64 → logits
/// [batch, sequence, V].</summary>
/// <remarks>The weights keep the names and layouts of GPT2LMHeadModel, [in, out].</remarks>
internal sealed class GptOnnx
{
    private readonly OnnxGraph graph = new("gpt2");
    private readonly GptConfig config;
    private readonly Dictionary<string, StoredTensor> weights;
    private readonly string split, joined, scale, hidden;

    private GptOnnx(GptConfig config, StoredWeights stored)
    {
        this.config = config;
        weights = stored.Tensors.ToDictionary(t => t.Name);
        int size = config.Width / config.Heads;

        // In Reshape, 0 keeps an axis.
        split = graph.Numbers("shape.heads", [0, 0, config.Heads, size]);
        joined = graph.Numbers("shape.joined", [0, 0, config.Width]);
        scale = graph.Scalar("scale", (float)(1 / Math.Sqrt(size)));
        hidden = graph.Scalar("hidden", float.NegativeInfinity);
    }

    /// <summary>Writes the model beside its place and renames it.</summary>
    /// <exception cref="NotSupportedException">It is larger than the format allows.</exception>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void Write(string path, GptConfig config, StoredWeights stored) =>
        new GptOnnx(config, stored).Write(path);

    private void Write(string path)
    {
        string ids = graph.Input("input_ids", DType.Int64, "batch", "sequence");
        string zero = graph.Numbers("zero", [0], scalar: true);
        string one = graph.Numbers("one", [1], scalar: true);
        string length = graph.Add("Gather", [graph.Add("Shape", [ids]), one], ("axis", 0L));
        string positions = graph.Add("Range", [zero, length, one]);
        string table = Weight("wte.weight");
        string x = graph.Add("Add",
            [graph.Add("Gather", [table, ids]),
                graph.Add("Gather", [Weight("wpe.weight"), positions])]);
        string rows = graph.Add("Unsqueeze", [positions, graph.Numbers("axis.1", [1])]);
        string columns = graph.Add("Unsqueeze", [positions, graph.Numbers("axis.0", [0])]);
        string later = graph.Add("Less", [rows, columns]);
        for (int i = 0; i < config.Layers; i++)
        {
            string layer = string.Create(CultureInfo.InvariantCulture, $"h.{i}");
            x = graph.Add("Add", [x, Attention(layer, Norm($"{layer}.ln_1", x), later)]);
            string inner = graph.Add("Gelu",
                [Linear($"{layer}.mlp.c_fc", Norm($"{layer}.ln_2", x))], ("approximate", "tanh"));
            x = graph.Add("Add", [x, Linear($"{layer}.mlp.c_proj", inner)]);
        }

        string output = graph.Add("Transpose", [table], ("perm", (long[])[1, 0]));
        graph.Output(graph.Add("MatMul", [Norm("ln_f", x), output]), "logits", DType.Float32,
            "batch", "sequence", config.Vocabulary.ToString(CultureInfo.InvariantCulture));
        graph.Write(path);
    }

    private string Attention(string layer, string x, string later)
    {
        string[] parts = graph.Split(Linear($"{layer}.attn.c_attn", x), 3);
        string query = Heads(parts[0], [0, 2, 1, 3]), key = Heads(parts[1], [0, 2, 3, 1]);
        string scores = graph.Add("Mul", [graph.Add("MatMul", [query, key]), scale]);
        string visible = graph.Add("Where", [later, hidden, scores]);
        string context = graph.Add("MatMul",
            [graph.Add("Softmax", [visible], ("axis", -1L)), Heads(parts[2], [0, 2, 1, 3])]);
        string tokens = graph.Add("Transpose", [context], ("perm", (long[])[0, 2, 1, 3]));
        return Linear($"{layer}.attn.c_proj", graph.Add("Reshape", [tokens, joined]));
    }

    private string Heads(string x, long[] order) =>
        graph.Add("Transpose", [graph.Add("Reshape", [x, split])], ("perm", order));

    private string Linear(string name, string x) => graph.Add("Add",
        [graph.Add("MatMul", [x, Weight($"{name}.weight")]), Weight($"{name}.bias")]);

    private string Norm(string name, string x) => graph.Add("LayerNormalization",
        [x, Weight($"{name}.weight"), Weight($"{name}.bias")],
        ("axis", -1L), ("epsilon", (float)config.Epsilon));

    private string Weight(string name)
    {
        StoredTensor tensor = weights[$"transformer.{name}"];
        return graph.Weight(name, tensor.Shape, tensor.Read);
    }
}
