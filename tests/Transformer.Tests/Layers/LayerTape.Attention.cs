using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Support;

namespace Transformer.Tests.Layers;

/// <summary>What hides keys in one multi-head attention.</summary>
internal readonly record struct Visibility(
    int[]? KeyLengths = null, bool Causal = false, double[]? Bias = null);

internal sealed partial class LayerTape
{
    /// <summary>The weights [B, H, Sq, Skv] of the last attention.</summary>
    public double[] LastWeights { get; private set; } = [];

    /// <summary>
    /// nn.MultiheadAttention. Where the inputs are the same node, their projections are one product
    /// and attention reads the packed result without a copy.
    /// </summary>
    public Node MultiHead(
        Node query, Node key, Node value, string prefix, int heads, Visibility visibility)
    {
        int width = query.Width;
        Node Project(Node x, int part, int parts) => Linear(
            x, prefix + "in_proj_weight", prefix + "in_proj_bias", part * width, parts * width);

        Node attended;
        if (query == key && key == value)
        {
            Node packed = Project(query, 0, 3);
            attended = Attend(
                (packed, 0), (packed, width), (packed, 2 * width), width, heads, visibility);
        }
        else if (key == value)
        {
            Node packed = Project(key, 1, 2);
            attended = Attend(
                (Project(query, 0, 1), 0), (packed, 0), (packed, width), width, heads, visibility);
        }
        else
        {
            attended = Attend((Project(query, 0, 1), 0), (Project(key, 1, 1), 0),
                (Project(value, 2, 1), 0), width, heads, visibility);
        }

        return Linear(attended, prefix + "out_proj.weight", prefix + "out_proj.bias", 0, width);
    }

    private Node Attend(
        (Node Node, int Offset) query, (Node Node, int Offset) key, (Node Node, int Offset) value,
        int width, int heads, Visibility visibility)
    {
        int dimension = width / heads;
        int queries = query.Node.Length;
        int keys = key.Node.Length;
        AttentionStrides Strides(Node node) =>
            AttentionStrides.SequenceMajor(heads, node.Length, dimension, node.Width);
        AttentionInputs inputs = new()
        {
            Query = Part(query.Node.Data, query.Offset),
            Key = Part(key.Node.Data, key.Offset),
            Value = Part(value.Node.Data, value.Offset),
            QueryStrides = Strides(query.Node),
            KeyStrides = Strides(key.Node),
            ValueStrides = Strides(value.Node),
            OutputStrides = AttentionStrides.SequenceMajor(heads, queries, dimension),
            KeyLengths = visibility.KeyLengths is { } lengths ? test.Ints(lengths) : null,
            Bias = visibility.Bias is { } bias ? test.Real(bias) : null,
            BiasLayout = visibility.Bias is null ? default : new(0, 0, keys, keys),
            Sizes = new(query.Node.Batch, heads, heads, queries, keys, dimension, dimension),
            Options = new()
            {
                Causal = visibility.Causal ? CausalAlignment.TopLeft : CausalAlignment.None,
            },
        };
        Node output = new(
            test.Output((long)query.Node.Rows * width), query.Node.Batch, queries);
        TestBuffer logSumExp = test.Output((long)query.Node.Rows * heads);
        TestBuffer weights = test.Output((long)query.Node.Rows * heads * keys);
        Backend.Run(new AttentionForward
        {
            Inputs = inputs,
            Output = output.Data,
            LogSumExp = logSumExp,
            Scores = weights,
            ScoreOutput = ScoreOutput.Probabilities,
        });
        LastWeights = weights.Values;
        backward.Push(() =>
        {
            // One gradient buffer a node: the packed projection's parts are written into it.
            Dictionary<Node, TestBuffer> gradients = [];
            BufferView Gradient((Node Node, int Offset) part)
            {
                if (!gradients.TryGetValue(part.Node, out TestBuffer? buffer))
                {
                    buffer = test.Output(part.Node.Data.Length);
                    gradients.Add(part.Node, buffer);
                }

                return Part(buffer, part.Offset);
            }

            Backend.Run(new AttentionBackward
            {
                Inputs = inputs,
                Output = output.Data,
                LogSumExp = logSumExp,
                OutputGradient = test.Real(output.Gradient),
                QueryGradient = Gradient(query),
                KeyGradient = Gradient(key),
                ValueGradient = Gradient(value),
            });
            foreach ((Node node, TestBuffer gradient) in gradients) node.AddGradient(gradient);
        });
        return output;
    }

    private static BufferView Part(TestBuffer buffer, int offset) =>
        buffer.View.Slice(offset, buffer.Length - offset);
}
