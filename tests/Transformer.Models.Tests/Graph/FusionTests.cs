using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Ops;

namespace Transformer.Models.Tests.Graph;

public class FusionTests
{
    private static readonly Backend Simd = BackendRegistry.Cpu;

    public static TheoryData<string, NormPlacement, double> Cases
    {
        get
        {
            TheoryData<string, NormPlacement, double> cases = [];
            foreach (Backend backend in (Backend[])[BackendRegistry.Reference, Simd])
            {
                cases.Add(backend.Name, NormPlacement.Post, 0);
                cases.Add(backend.Name, NormPlacement.Pre, 0);
                cases.Add(backend.Name, NormPlacement.Pre, 0.2);
            }

            return cases;
        }
    }

    // Fusion changes where fp32 rounding happens, nothing else.
    [Theory]
    [MemberData(nameof(Cases))]
    public void FusedAndUnfused_AgreeInLossAndGradients(
        string backendName, NormPlacement norm, double dropout)
    {
        Backend backend = BackendRegistry.Find(backendName);
        using TestModel model = new(
            backend, TestModel.Layer(norm, Activation.Gelu, dropout), layers: 2);
        (float fusedLoss, float[] fused) = model.Run(TestModel.On(backend));
        (float loss, float[] plain) = model.Run(TestModel.On(backend) with { Fuse = false });
        Assert.InRange(fusedLoss / loss, 1 - 1e-6, 1 + 1e-6);
        Assert.InRange(TestModel.RelativeL2(fused, plain), 0, 1e-5);
    }

    [Theory]
    [InlineData(Activation.Relu)]
    [InlineData(Activation.Gelu)]
    [InlineData(Activation.GeluTanh)]
    public void LinearAndActivation_BecomeOneNode(Activation activation)
    {
        using ParameterSet parameters = new(Simd);
        Parameter weight = parameters.Declare("up.weight", new(7, 5), Initializer.XavierUniform());
        parameters.Allocate(1);
        GraphBuilder g = new("ffn", parameters);
        GraphTensor x = g.Input("x", new(3, 5));
        g.Output("y", g.Linear(x, weight, activation: activation));
        Assert.Equal([$"Linear+{activation}"], Kinds(g, fuse: true));
        Assert.Equal(["Linear", $"{activation}"], Kinds(g, fuse: false));
        AssertSameOutput(g, "x", "y");
    }

    [Fact]
    public void Activation_StaysAloneWhenTheProductIsReadElsewhere()
    {
        using ParameterSet parameters = new(Simd);
        Parameter weight = parameters.Declare("w", new(5, 5), Initializer.XavierUniform());
        parameters.Allocate(1);
        GraphBuilder g = new("gate", parameters);
        GraphTensor x = g.Input("x", new(3, 5));
        GraphTensor product = g.Linear(x, weight);
        g.Output("y", g.Add(product, g.Gelu(product)));
        Assert.Equal(["Linear", "Gelu", "Add"], Kinds(g, fuse: true));
        AssertSameOutput(g, "x", "y");
    }

    [Fact]
    public void FeedForward_BecomesOneNodeWithoutHiddenBufferInInference()
    {
        using ParameterSet parameters = new(Simd);
        FeedForward layer = new(parameters, "ffn", 8, 32, Activation.Gelu, dropout: 0.5);
        parameters.Allocate(1);
        GraphBuilder g = new("ffn", parameters);
        g.Output("y", layer.Apply(g, g.Input("x", new(3, 8))));
        Assert.Equal(["FeedForward+Gelu"], Kinds(g, fuse: true));
        using CompiledGraph graph = g.Compile(TestModel.On(Simd));
        PlannedBuffer only = Assert.Single(graph.Plan.Buffers);
        Assert.Equal(3 * 8 * sizeof(float), only.Bytes);
        AssertSameOutput(g, "x", "y");
    }

    [Fact]
    public void ResidualAndNorm_BecomeOneNode_AndTheSumIsWrittenOnlyWhenRead()
    {
        using ParameterSet parameters = new(Simd);
        LayerNormLayer norm = new(parameters, "norm", 8);
        parameters.Allocate(1);
        GraphBuilder g = new("norm", parameters);
        GraphTensor x = g.Input("x", new(3, 8));
        g.Output("y", norm.Apply(g, g.Add(x, g.Relu(x))));
        Assert.Equal(["Relu", "Add+LayerNorm"], Kinds(g, fuse: true));
        using CompiledGraph graph = g.Compile(TestModel.On(Simd));
        Assert.Equal(-1, graph.Nodes[1].Outputs[3].Offset);
        AssertSameOutput(g, "x", "y");
    }

    [Fact]
    public void SelfAttentionProjections_BecomeOneProduct()
    {
        using ParameterSet parameters = new(Simd);
        MultiHeadAttention attention = new(
            parameters, "attention", new() { Width = 12, Heads = 4, KeyValueHeads = 2 });
        parameters.Allocate(1);
        GraphBuilder g = new("self", parameters);
        g.Output("y", attention.Apply(g, g.Input("x", new(2, 5, 12))));
        Assert.Equal(["Linear×3", "FusedAttention+packed", "Linear"], Kinds(g, fuse: true));
        AssertSameOutput(g, "x", "y");
    }

    [Fact]
    public void CrossAttention_PacksKeyAndValueOnly()
    {
        using ParameterSet parameters = new(Simd);
        MultiHeadAttention attention = new(
            parameters, "attention", new() { Width = 12, Heads = 4, MemoryWidth = 6 });
        parameters.Allocate(1);
        GraphBuilder g = new("cross", parameters);
        GraphTensor memory = g.Input("memory", new(2, 5, 6));
        g.Output("y", attention.Apply(g, g.Input("x", new(2, 3, 12)), memory));
        Assert.Equal(
            ["Linear", "Linear×2", "FusedAttention+packed", "Linear"], Kinds(g, fuse: true));
    }

    [Fact]
    public void EncoderLayer_IsFourKernelsAndTwoNormsInInference()
    {
        using ParameterSet parameters = new(Simd);
        EncoderLayer layer = new(parameters, "layer", TestModel.Layer(dropout: 0.1));
        parameters.Allocate(1);
        GraphBuilder g = new("layer", parameters);
        g.Output("y", layer.Apply(g, g.Input("x", new(2, 5, TestModel.Width))));
        Assert.Equal(
            ["Linear×3", "FusedAttention+packed", "Linear", "Add+LayerNorm", "FeedForward+Gelu",
                "Add+LayerNorm"],
            Kinds(g, fuse: true));
    }

    private static string[] Kinds(GraphBuilder g, bool fuse)
    {
        using CompiledGraph graph = g.Compile(TestModel.On(Simd) with { Fuse = fuse });
        return [.. graph.Nodes.Select(n => n.Kind)];
    }

    private static void AssertSameOutput(GraphBuilder g, string input, string output)
    {
        using CompiledGraph fused = g.Compile(TestModel.On(Simd));
        using CompiledGraph plain = g.Compile(TestModel.On(Simd) with { Fuse = false });
        Random random = new(1);
        foreach (CompiledGraph graph in (CompiledGraph[])[fused, plain])
        {
            random = new(1);
            foreach (ref float value in graph.Input<float>(input))
            {
                value = (float)((2 * random.NextDouble()) - 1);
            }

            graph.Forward();
        }

        ReadOnlySpan<float> expected = plain.Output<float>(output);
        Assert.InRange(TestModel.RelativeL2(fused.Output<float>(output), expected), 0, 2e-6);
    }
}
