using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Models.Tests.Graph;
using Transformer.Tensors;

namespace Transformer.Models.Tests.Layers;

public class DecodingTests
{
    private const int Batch = 2;
    private const int Length = 6;
    private const int MemoryLength = 5;
    private const int Capacity = 8;

    private static readonly Backend Simd = BackendRegistry.Cpu;

    // The same sums in the same order over fewer rows; a product may tile one row differently
    // from six, so a few roundings may differ.
    [Theory]
    [InlineData(NormPlacement.Post)]
    [InlineData(NormPlacement.Pre)]
    public void DecoderLayer_StepByStepWithCaches_EqualsWholeSequence(NormPlacement norm)
    {
        using ParameterSet parameters = new(Simd);
        DecoderLayer layer = new(parameters, "layer", TestModel.Layer(norm));
        parameters.Allocate(4);
        float[] x = Numbers(Batch * Length * TestModel.Width, 1);
        float[] memory = Numbers(Batch * MemoryLength * TestModel.Width, 2);
        int[] lengths = [MemoryLength, 3];

        using GraphArena arena = new(Simd);
        CompileOptions options = TestModel.On(Simd) with { Arena = arena };
        using CompiledGraph whole = Whole(parameters, layer).Compile(options);
        whole.Feed<float>("x", x);
        whole.Feed<float>("memory", memory);
        whole.Feed<int>("lengths", lengths);
        whole.Forward();
        float[] expected = whole.Output<float>("y").ToArray();
        float[] key = whole.Output<float>("key").ToArray();
        float[] value = whole.Output<float>("value").ToArray();

        // Two graphs of one arena share the caches: two rows first, then one at a time.
        using CompiledGraph prompt = Step(parameters, layer, 2).Compile(options);
        using CompiledGraph single = Step(parameters, layer, 1).Compile(options);
        Assert.Equal(Batch * Capacity * TestModel.Width,
            prompt.State<float>("layer.attention.cache.key").Length);
        int position = 0;
        while (position < Length)
        {
            CompiledGraph graph = position == 0 ? prompt : single;
            int rows = position == 0 ? 2 : 1;
            graph.Feed<float>("key", key);
            graph.Feed<float>("value", value);
            graph.Feed<int>("lengths", lengths);
            graph.Feed<int>("positions", [position, position]);
            graph.Feed<int>("filled", [position + rows, position + rows]);
            Span<float> input = graph.Input<float>("x");
            for (int b = 0; b < Batch; b++)
            {
                Rows(x, b, position, rows).CopyTo(input[(b * rows * TestModel.Width)..]);
            }

            graph.Forward();
            for (int b = 0; b < Batch; b++)
            {
                ReadOnlySpan<float> got = graph.Output<float>("y").Slice(
                    b * rows * TestModel.Width, rows * TestModel.Width);
                Assert.InRange(
                    TestModel.RelativeL2(got, Rows(expected, b, position, rows)), 0, 1e-6);
            }

            position += rows;
        }

        single.Feed<int>("positions", [Capacity, 0]);
        Assert.StartsWith(
            "KvCacheAppend 'layer.attention.cache.key': input 'positions' holds 8 at index 0; " +
            "expected 0 to 7.",
            Assert.Throws<ArgumentException>(single.Forward).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void CachedStep_PacksItsProjections()
    {
        using ParameterSet parameters = new(Simd);
        DecoderLayer layer = new(parameters, "layer", TestModel.Layer());
        parameters.Allocate(4);
        using CompiledGraph step = Step(parameters, layer, 1).Compile(TestModel.On(Simd));
        Assert.Equal(
            ["Linear×3", "KvCacheAppend", "KvCacheAppend", "FusedAttention", "Linear",
                "Add+LayerNorm", "Linear", "FusedAttention", "Linear", "Add+LayerNorm",
                "FeedForward+Gelu", "Add+LayerNorm"],
            step.Nodes.Select(n => n.Kind));
    }

    [Fact]
    public void Scores_AreAnOutputOfTheirOwn()
    {
        using ParameterSet parameters = new(Simd);
        MultiHeadAttention attention = new(parameters, "a", new() { Width = 8, Heads = 2 });
        parameters.Allocate(4);
        GraphBuilder g = new("scores", parameters);
        g.Output("y", attention.Apply(g, g.Input("x", new(1, 4, 8)), visibility: new()
        {
            Causal = Ops.CausalAlignment.TopLeft,
            ScoreOutput = Ops.ScoreOutput.Probabilities,
            ScoresName = "map",
        }));
        using CompiledGraph graph = g.Compile(TestModel.On(Simd));
        graph.Feed<float>("x", Numbers(32, 3));
        graph.Forward();
        Assert.Equal(new TensorShape(1, 2, 4, 4), graph.OutputShape("map"));
        ReadOnlySpan<float> map = graph.Output<float>("map");
        for (int row = 0; row < 8; row++)
        {
            float sum = 0;
            for (int key = 0; key < 4; key++)
            {
                if (key > row % 4) Assert.Equal(0, map[(row * 4) + key]);
                sum += map[(row * 4) + key];
            }

            Assert.Equal(1, sum, 1e-6f);
        }
    }

    private static GraphBuilder Whole(ParameterSet parameters, DecoderLayer layer)
    {
        GraphBuilder g = new("whole", parameters);
        GraphTensor x = g.Input("x", new(Batch, Length, TestModel.Width));
        GraphTensor memory = g.Input("memory", new(Batch, MemoryLength, TestModel.Width));
        GraphTensor lengths = g.Input("lengths", new(Batch), DType.Int32);
        KeyValue projected = layer.CrossAttention.ProjectKeyValue(g, memory);
        g.Output("key", projected.Key);
        g.Output("value", projected.Value);
        g.Output("y", layer.Apply(
            g, x, memory, crossVisibility: new() { KeyLengths = lengths }));
        return g;
    }

    private static GraphBuilder Step(ParameterSet parameters, DecoderLayer layer, int rows)
    {
        GraphBuilder g = new("step", parameters);
        TensorShape memory = new(Batch, MemoryLength, TestModel.Width);
        GraphTensor x = g.Input("x", new(Batch, rows, TestModel.Width));
        KeyValue projected = new(g.Input("key", memory), g.Input("value", memory));
        GraphTensor lengths = g.Input("lengths", new(Batch), DType.Int32);
        KeyValueCache cache = new(
            g.Input("positions", new(Batch), DType.Int32),
            g.Input("filled", new(Batch), DType.Int32), Capacity);
        g.Output("y", layer.ApplyCached(
            g, x, cache, projected, crossVisibility: new() { KeyLengths = lengths }));
        return g;
    }

    private static ReadOnlySpan<float> Rows(float[] x, int sequence, int first, int rows) =>
        x.AsSpan(((sequence * Length) + first) * TestModel.Width, rows * TestModel.Width);

    private static float[] Numbers(int count, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count)
            .Select(_ => (float)((2 * random.NextDouble()) - 1))];
    }
}
