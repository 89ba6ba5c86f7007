using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Models.Tests.Graph;
using Transformer.Tensors;

namespace Transformer.Models.Tests.Layers;

public class EmbeddingsTests
{
    // Vaswani et al., §3.5, by hand: width 4 has the frequencies 1 and 1/100.
    [Fact]
    public void Sinusoidal_IsTheTableOfThePaper()
    {
        float[] table = PositionalEncoding.Sinusoidal(3, 4);
        float[] expected =
        [
            0, 1, 0, 1,
            0.841470985f, 0.540302306f, 0.00999983333f, 0.999950000f,
            0.909297427f, -0.416146837f, 0.0199986667f, 0.999800007f,
        ];
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], table[i], 1e-7f);
    }

    [Fact]
    public void Apply_SumsScaledTokensPositionsAndSegments()
    {
        using ParameterSet parameters = new(BackendRegistry.Cpu);
        Embeddings embeddings = new(parameters, "e", new()
        {
            Vocabulary = 3,
            Width = 4,
            MaxPositions = 5,
            Segments = 2,
            Positions = PositionKind.Learned,
        });
        parameters.Allocate(1);
        embeddings.Tokens.CopyFrom([1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
        embeddings.Positions!.CopyFrom([.. Enumerable.Range(0, 20).Select(i => (i / 4) * 10f)]);
        embeddings.SegmentTable!.CopyFrom([0, 0, 0, 0, 0.5f, 0.5f, 0.5f, 0.5f]);
        GraphBuilder g = new("e", parameters);
        g.Output("y", embeddings.Apply(g, g.Input("ids", new(1, 2), DType.Int32),
            segmentIds: g.Input("segments", new(1, 2), DType.Int32)));
        using CompiledGraph graph = g.Compile(TestModel.On(BackendRegistry.Cpu));
        graph.Feed<int>("ids", [2, 1]);
        graph.Feed<int>("segments", [0, 1]);
        graph.Forward();
        // √4·3 + 0 + 0 and √4·2 + 10 + 0.5.
        Assert.Equal([6f, 6, 6, 6, 14.5f, 14.5f, 14.5f, 14.5f],
            graph.Output<float>("y").ToArray());
        Assert.True(embeddings.Positions.Trainable);
    }

    [Fact]
    public void SinusoidalPositions_AreConstant()
    {
        using ParameterSet parameters = new(BackendRegistry.Cpu);
        Embeddings embeddings = new(parameters, "e", new()
        {
            Vocabulary = 3,
            Width = 4,
            MaxPositions = 5,
        });
        parameters.Allocate(1);
        Assert.False(embeddings.Positions!.Trainable);
        Assert.Equal(
            PositionalEncoding.Sinusoidal(5, 4),
            embeddings.Positions.Value.AsSpan<float>().ToArray());
    }
}
