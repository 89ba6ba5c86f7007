using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Ops;

namespace Transformer.Models.Tests.Graph;

public class DebuggerTests
{
    private static readonly Backend Simd = BackendRegistry.Cpu;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Compare_FindsNothingBetweenRightBackends(bool fuse)
    {
        using TestModel model = new(Simd, TestModel.Layer(NormPlacement.Pre, dropout: 0.1));
        GraphDifference? difference = GraphDebugger.Compare(
            model.Build(), TestModel.On(Simd) with { Training = true, Fuse = fuse },
            BackendRegistry.Reference, TestModel.Feed, 1e-5);
        Assert.Null(difference);
    }

    [Fact]
    public void Compare_NamesTheForwardNodeOfAWrongKernel()
    {
        using TestModel model = new(Simd);
        GraphDifference? difference = GraphDebugger.Compare(
            model.Build(), TestModel.On(BackendRegistry.Reference),
            new WrongBackend { WrongLinearWidth = TestModel.Vocabulary }, TestModel.Feed, 1e-5);
        Assert.NotNull(difference);
        Assert.Equal("head", difference.Node);
        Assert.Equal(OpDirection.Forward, difference.Direction);
        Assert.Equal(WrongBackend.WrongIndex, difference.Index);
        Assert.Equal(difference.First + 1, difference.Second, 1e-5f);
        Assert.StartsWith("Forward of Linear 'head': 'head' differs at index 3: ",
            difference.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Compare_NamesTheBackwardNodeOfAWrongKernel()
    {
        using TestModel model = new(Simd);
        GraphDifference? difference = GraphDebugger.Compare(
            model.Build(), TestModel.On(BackendRegistry.Reference) with { Training = true },
            new WrongBackend { WrongNormGradient = true }, TestModel.Feed, 1e-5);
        Assert.NotNull(difference);
        Assert.Equal("decoder.layers.0.feedForwardNorm", difference.Node);
        Assert.Equal(OpDirection.Backward, difference.Direction);
        Assert.Equal("decoder.layers.0.feedForwardNorm.bias", difference.Value);
    }

    [Fact]
    public void Compare_LeavesParametersAndGradientsAlone()
    {
        using TestModel model = new(Simd);
        (_, float[] gradients) = model.Run(TestModel.On(Simd));
        GraphDebugger.Compare(model.Build(), TestModel.On(Simd) with { Training = true },
            BackendRegistry.Reference, TestModel.Feed, 1e-5);
        Assert.Equal(gradients, model.Parameters.Gradients.AsSpan<float>().ToArray());
    }

    [Fact]
    public void FirstNonFinite_NamesParameterInputAndNode()
    {
        using ParameterSet parameters = new(Simd);
        Parameter weight = parameters.Declare("w", new(2, 2), Initializer.Ones);
        parameters.Allocate(1);
        GraphBuilder g = new("nan", parameters);
        GraphTensor x = g.Input("x", new(1, 2));
        g.Output("loss", g.Add(g.Linear(x, weight, name: "product"), x, "sum"));
        using CompiledGraph graph = g.Compile(TestModel.On(Simd) with { Training = true });
        graph.Feed<float>("x", [1, 2]);
        Assert.Null(GraphDebugger.FirstNonFinite(graph));

        graph.Feed<float>("x", [1, float.NaN]);
        Assert.Equal("input 'x' at index 1", GraphDebugger.FirstNonFinite(graph));

        graph.Feed<float>("x", [3e38f, 3e38f]);
        Assert.Equal("forward node 'product' (Linear): 'product' at index 0",
            GraphDebugger.FirstNonFinite(graph));

        graph.Feed<float>("x", [1e30f, 1]);
        graph.Feed<float>("lossGradient", [1e30f, 1]);
        Assert.Equal("backward node 'product' (Linear): 'w' at index 0",
            GraphDebugger.FirstNonFinite(graph));

        weight.CopyFrom([1, 2, float.PositiveInfinity, 4]);
        Assert.Equal("parameter 'w' at index 2", GraphDebugger.FirstNonFinite(graph));
        Assert.All(weight.Gradient.AsSpan<float>().ToArray(), v => Assert.Equal(0, v));
    }

    [Fact]
    public void Describe_ListsNodesShapesAndPlan()
    {
        using TestModel model = new(Simd);
        using CompiledGraph graph = model.Build().Compile(
            TestModel.On(Simd) with { Training = true });
        string text = graph.Describe();
        Assert.Contains("→ Linear×3", text, StringComparison.Ordinal);
        Assert.Contains("← Add+LayerNorm", text, StringComparison.Ordinal);
        Assert.Equal(graph.Nodes.Count, text.Split('\n').Length);
        Assert.Contains("of naive", graph.Plan.ToString(), StringComparison.Ordinal);
    }

    /// <summary>The reference with one deliberate mistake.</summary>
    private sealed class WrongBackend : Backend
    {
        public const int WrongIndex = 3;

        public WrongBackend()
        {
            Forward<AddForward>();
            Forward<AttentionForward>();
            Forward<EmbeddingForward>();
            Forward<GeluFeedForwardForward>();
            Forward<LayerNormForward>();
            Forward<SoftmaxCrossEntropyForward>();
            Forward<AttentionBackward>();
            Forward<EmbeddingBackward>();
            Forward<GeluFeedForwardBackward>();
            Forward<LinearBackward>();
            Forward<SoftmaxCrossEntropyBackward>();
            Register(new Kernel<LinearForward>((in LinearForward call) =>
            {
                if (call.OutputFeatures == WrongLinearWidth)
                {
                    call.Output.AsSpan<float>()[WrongIndex] += 1;
                }
            }));
            Register(new Kernel<LayerNormBackward>((in LayerNormBackward call) =>
            {
                if (WrongNormGradient) call.BiasGradient.AsSpan<float>()[0] += 100;
            }));
        }

        private delegate void Mistake<TCall>(in TCall call);

        public int WrongLinearWidth { get; init; }

        public bool WrongNormGradient { get; init; }

        public override string Name => "wrong";

        public override string Device => "test";

        public override int Priority => -1;

        private void Forward<TCall>() where TCall : struct, IOpCall =>
            Register(new Kernel<TCall>((in TCall _) => { }));

        private sealed class Kernel<TCall>(Mistake<TCall> mistake) : IKernel<TCall>
            where TCall : struct, IOpCall
        {
            public bool Supports(in TCall call, out string? reason)
            {
                reason = null;
                return true;
            }

            public void Run(in TCall call)
            {
                BackendRegistry.Reference.Run(in call);
                mistake(in call);
            }
        }
    }
}
