using Transformer.Ops;
using Transformer.Tests.Fixtures;
using Transformer.Tests.Support;

namespace Transformer.Tests.Layers;

/// <summary>PyTorch's layers, composed of the reference's ops, forward and backward.</summary>
public class ComposedLayerTests : KernelTest
{
    /// <summary>A dozen ops in a row, each some ulps from PyTorch's order of operations.</summary>
    private const double Tolerance = 2e-14;

    private const int Heads = 2;

    [Theory]
    [MemberData(nameof(Fixture.Cases), "multihead_attention", MemberType = typeof(Fixture))]
    public void MultiheadAttention_MatchesPyTorch(string file, string @case)
    {
        Fixture fixture = Fixture.Load(file, @case);
        LayerTape tape = new(this, fixture);
        Node query = tape.Input("query");
        bool cross = fixture.Has("key");
        Node key = cross ? tape.Input("key") : query;
        Node value = cross ? tape.Input("value") : query;
        if (fixture.Has("visible"))
        {
            // The recorded mask is causal: query i sees keys 0 to i.
            bool[] visible = fixture.Bools("visible");
            Assert.Equal(
                visible, Enumerable.Range(0, visible.Length).Select(n => n % 4 <= n / 4));
        }

        Node output = tape.MultiHead(query, key, value, "", Heads, new(
            fixture.Has("key_lengths") ? fixture.Ints("key_lengths") : null,
            fixture.Has("visible"),
            fixture.Has("bias") ? fixture.Doubles("bias") : null));
        Numbers.Close(fixture.Doubles("output"), output.Data.Values, Tolerance, "output");
        Numbers.Close(
            fixture.Doubles("weights_per_head"), tape.LastWeights, Tolerance, "weights");
        tape.Backward(output, fixture.Doubles("d_output"));
        RequireGradients(fixture, tape, cross
            ? new() { ["query"] = query, ["key"] = key, ["value"] = value }
            : new() { ["query"] = query });
    }

    [Theory]
    [MemberData(nameof(Fixture.Cases), "encoder_layer", MemberType = typeof(Fixture))]
    public void EncoderLayer_MatchesPyTorch(string file, string @case)
    {
        Fixture fixture = Fixture.Load(file, @case);
        LayerTape tape = new(this, fixture);
        Node source = tape.Input("src");
        Node output = Encoder(
            tape, source, "", fixture.Ints("src_lengths"), @case == "pre_norm_gelu");
        Numbers.Close(fixture.Doubles("output"), output.Data.Values, Tolerance, "output");
        tape.Backward(output, fixture.Doubles("d_output"));
        RequireGradients(fixture, tape, new() { ["src"] = source });
    }

    [Theory]
    [MemberData(nameof(Fixture.Cases), "decoder_layer", MemberType = typeof(Fixture))]
    public void DecoderLayer_MatchesPyTorch(string file, string @case)
    {
        Fixture fixture = Fixture.Load(file, @case);
        LayerTape tape = new(this, fixture);
        Node target = tape.Input("tgt");
        Node memory = tape.Input("memory");
        Node output = Decoder(tape, target, memory, "", fixture.Ints("tgt_lengths"),
            fixture.Ints("memory_lengths"), @case == "pre_norm_gelu");
        Numbers.Close(fixture.Doubles("output"), output.Data.Values, Tolerance, "output");
        tape.Backward(output, fixture.Doubles("d_output"));
        RequireGradients(fixture, tape, new() { ["tgt"] = target, ["memory"] = memory });
    }

    [Theory]
    [MemberData(nameof(Fixture.Cases), "transformer", MemberType = typeof(Fixture))]
    public void Transformer_MatchesPyTorch(string file, string @case)
    {
        Assert.Equal("post_norm_relu", @case);
        Fixture fixture = Fixture.Load(file, @case);
        LayerTape tape = new(this, fixture);
        int[] sourceLengths = fixture.Ints("src_lengths");
        int[] targetLengths = fixture.Ints("tgt_lengths");
        Node source = tape.Input("src");
        Node target = tape.Input("tgt");
        Node memory = source;
        Node output = target;
        for (int layer = 0; layer < 2; layer++)
        {
            memory = Encoder(tape, memory, $"encoder.layers.{layer}.", sourceLengths, false);
        }

        memory = tape.AddNorm(memory, null, "encoder.norm").Norm;
        for (int layer = 0; layer < 2; layer++)
        {
            output = Decoder(tape, output, memory, $"decoder.layers.{layer}.", targetLengths,
                sourceLengths, false);
        }

        output = tape.AddNorm(output, null, "decoder.norm").Norm;
        Numbers.Close(fixture.Doubles("memory"), memory.Data.Values, Tolerance, "memory");
        Numbers.Close(fixture.Doubles("output"), output.Data.Values, Tolerance, "output");
        tape.Backward(output, fixture.Doubles("d_output"));
        RequireGradients(fixture, tape, new() { ["src"] = source, ["tgt"] = target });
    }

    private static Node Encoder(
        LayerTape tape, Node x, string prefix, int[] lengths, bool preNorm)
    {
        Visibility visible = new(lengths);
        if (preNorm)
        {
            Node first = tape.AddNorm(x, null, prefix + "norm1").Norm;
            Node own = tape.MultiHead(first, first, first, prefix + "self_attn.", Heads, visible);
            (Node sum, Node second) = tape.AddNorm(own, x, prefix + "norm2");
            return tape.Add(sum, tape.FeedForward(second, prefix, Activation.Gelu));
        }

        Node attended = tape.MultiHead(x, x, x, prefix + "self_attn.", Heads, visible);
        x = tape.AddNorm(attended, x, prefix + "norm1").Norm;
        Node fed = tape.FeedForward(x, prefix, Activation.Relu);
        return tape.AddNorm(fed, x, prefix + "norm2").Norm;
    }

    private static Node Decoder(
        LayerTape tape, Node x, Node memory, string prefix, int[] lengths, int[] memoryLengths,
        bool preNorm)
    {
        Visibility own = new(lengths, Causal: true);
        Visibility across = new(memoryLengths);
        if (preNorm)
        {
            Node first = tape.AddNorm(x, null, prefix + "norm1").Norm;
            Node self = tape.MultiHead(first, first, first, prefix + "self_attn.", Heads, own);
            (Node sum, Node second) = tape.AddNorm(self, x, prefix + "norm2");
            Node cross = tape.MultiHead(
                second, memory, memory, prefix + "multihead_attn.", Heads, across);
            (sum, Node third) = tape.AddNorm(cross, sum, prefix + "norm3");
            return tape.Add(sum, tape.FeedForward(third, prefix, Activation.Gelu));
        }

        Node attended = tape.MultiHead(x, x, x, prefix + "self_attn.", Heads, own);
        x = tape.AddNorm(attended, x, prefix + "norm1").Norm;
        attended = tape.MultiHead(x, memory, memory, prefix + "multihead_attn.", Heads, across);
        x = tape.AddNorm(attended, x, prefix + "norm2").Norm;
        Node fed = tape.FeedForward(x, prefix, Activation.Relu);
        return tape.AddNorm(fed, x, prefix + "norm3").Norm;
    }

    private static void RequireGradients(
        Fixture fixture, LayerTape tape, Dictionary<string, Node> inputs)
    {
        string[] recorded =
            [.. fixture.Names().Where(n => n.StartsWith("d_", StringComparison.Ordinal)
                && n != "d_output").Select(n => n[2..])];
        Assert.Equal(
            recorded, tape.Parameters.Keys.Concat(inputs.Keys).Order(StringComparer.Ordinal));
        foreach (string name in recorded)
        {
            double[] actual = inputs.TryGetValue(name, out Node? node)
                ? node.Gradient : tape.Parameters[name].Gradient.Values;
            Numbers.Close(fixture.Doubles("d_" + name), actual, Tolerance, "d_" + name);
        }
    }
}
