using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models.Tests.Graph;

public class GradientTests
{
    private static readonly Backend Reference = BackendRegistry.Reference;
    private static readonly Backend Simd = BackendRegistry.Cpu;

    public static TheoryData<NormPlacement, Activation, double> Configurations => new()
    {
        { NormPlacement.Post, Activation.Gelu, 0 },
        { NormPlacement.Pre, Activation.GeluTanh, 0 },
        { NormPlacement.Post, Activation.Relu, 0.2 },
        { NormPlacement.Pre, Activation.Gelu, 0.2 },
    };

    // Values are fp32, so a single coordinate's difference quotient drowns in rounding. Along the
    // gradient's own direction, mixed with noise, the loss changes by h·‖g‖: with h‖g‖ ≈ 0.02 and
    // a loss near 3 kept to 2⁻²⁴, rounding leaves about 1e-5, curvature (h²) less than 1e-3.
    [Theory]
    [InlineData(NormPlacement.Post, 0)]
    [InlineData(NormPlacement.Pre, 0)]
    [InlineData(NormPlacement.Post, 0.3)]
    public void Backward_MatchesDirectionalDifferenceOfTheLoss(NormPlacement norm, double dropout)
    {
        using TestModel model = new(
            Reference, TestModel.Layer(norm, Activation.GeluTanh, dropout));
        using CompiledGraph graph = model.Build().Compile(
            TestModel.On(Reference) with { Training = true });
        TestModel.Feed(graph);
        graph.Seed = 5;
        model.Parameters.ClearGradients();
        graph.Forward();
        graph.Backward();
        float[] gradient = model.Parameters.Gradients.AsSpan<float>().ToArray();
        double length = Math.Sqrt(gradient.Sum(v => (double)v * v));
        Random random = new(9);
        float[] direction = [.. gradient.Select(
            v => v == 0 ? 0 : (float)((v / length) + (0.02 * (random.NextDouble() - 0.5))))];
        double expected = gradient.Zip(direction, (a, b) => (double)a * b).Sum();

        double step = 0.01 / expected;
        float[] start = model.Parameters.Values.AsSpan<float>().ToArray();
        double Loss(double scale)
        {
            Span<float> values = model.Parameters.Values.AsSpan<float>();
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = (float)(start[i] + (scale * direction[i]));
            }

            graph.Forward();
            return graph.Output<float>("loss")[0];
        }

        double measured = (Loss(step) - Loss(-step)) / (2 * step);
        Assert.InRange(measured / expected, 1 - 1e-3, 1 + 1e-3);
    }

    // Both compute in fp32 storage; some thousand roundings on the way, averaged: 1e-5 allows
    // about a hundred units in the last place of the whole gradient.
    [Theory]
    [MemberData(nameof(Configurations))]
    public void Gradients_AreEqualOnBothBackends(
        NormPlacement norm, Activation activation, double dropout)
    {
        using TestModel model = new(Simd, TestModel.Layer(norm, activation, dropout), layers: 2);
        (float loss, float[] gradients) = model.Run(TestModel.On(Simd));
        (float expectedLoss, float[] expected) = model.Run(TestModel.On(Reference));
        Assert.InRange(loss / expectedLoss, 1 - 1e-5, 1 + 1e-5);
        Assert.InRange(TestModel.RelativeL2(gradients, expected), 0, 1e-5);
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void TensorInSeveralPlacesOfAttention_GetsTheGradientOfEach(bool asKey, bool asValue)
    {
        (float[] once, float[] copies) = (Run(asKey, asValue), Run(false, false));

        Assert.Contains(copies, v => v != 0);
        Assert.InRange(TestModel.RelativeL2(once, copies), 0, 1e-6); // another order of three sums

        static float[] Run(bool asKey, bool asValue)
        {
            using ParameterSet parameters = new(Reference);
            Parameter table = parameters.Declare("table", new(6, 4), Initializer.Normal(0.5));
            parameters.Allocate(1);
            GraphBuilder g = new("shared", parameters);
            GraphTensor ids = g.Input("ids", new(1, 3), DType.Int32);
            GraphTensor key = g.Embedding(ids, table);
            GraphTensor query = asKey ? key : g.Embedding(ids, table);
            GraphTensor value = asValue ? key : g.Embedding(ids, table);
            GraphTensor read = g.Attention(query, key, value, new() { Heads = 1 });
            g.Output("loss", g.CrossEntropy(g.Linear(read, table), ids));
            using CompiledGraph graph = g.Compile(TestModel.On(Reference) with { Training = true });
            graph.Feed<int>("ids", [1, 5, 2]);
            graph.Forward();
            graph.Backward();
            return table.Gradient.AsSpan<float>().ToArray();
        }
    }

    [Fact]
    public void TiedWeight_GetsTheGradientOfBothUses()
    {
        using ParameterSet tied = new(Reference);
        Parameter both = tied.Declare("table", new(6, 4), Initializer.Normal(0.5));
        tied.Allocate(1);
        using ParameterSet separate = new(Reference);
        Parameter table = separate.Declare("table", new(6, 4), Initializer.Zeros);
        Parameter weight = separate.Declare("weight", new(6, 4), Initializer.Zeros);
        separate.Allocate(1);
        float[] values = new float[24];
        both.CopyTo(values);
        table.CopyFrom(values);
        weight.CopyFrom(values);

        RunOnce(tied, both, both);
        RunOnce(separate, table, weight);

        float[] sum = [.. table.Gradient.AsSpan<float>().ToArray()
            .Zip(weight.Gradient.AsSpan<float>().ToArray(), (a, b) => a + b)];
        Assert.Contains(sum, v => v != 0);
        Assert.InRange(TestModel.RelativeL2(both.Gradient.AsSpan<float>(), sum), 0, 1e-6);

        static void RunOnce(ParameterSet parameters, Parameter table, Parameter weight)
        {
            GraphBuilder g = new("tied", parameters);
            GraphTensor ids = g.Input("ids", new(1, 3), DType.Int32);
            g.Output("loss", g.CrossEntropy(g.Linear(g.Embedding(ids, table), weight), ids));
            using CompiledGraph graph = g.Compile(TestModel.On(Reference) with { Training = true });
            graph.Feed<int>("ids", [1, 5, 1]);
            graph.Forward();
            graph.Backward();
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void AttentionThatReadsOneTensorAgain_AddsTheGradientsOfEachUse(bool queryToo)
    {
        using ParameterSet shared = new(Reference);
        Parameter one = shared.Declare("table", new(4, 4), Initializer.Normal(1));
        shared.Allocate(1);
        float[] values = new float[16];
        one.CopyTo(values);
        using ParameterSet separate = new(Reference);
        Parameter[] three = [.. ((string[])["query", "key", "value"])
            .Select(name => separate.Declare(name, new(4, 4), Initializer.Zeros))];
        separate.Allocate(1);
        foreach (Parameter table in three) table.CopyFrom(values);

        RunOnce(shared, [one, one, one], reuse: true);
        RunOnce(separate, three, reuse: false);

        float[] sum = [.. Enumerable.Range(0, 16).Select(
            i => three.Sum(table => table.Gradient.AsSpan<float>()[i]))];
        Assert.All(three, t => Assert.True(t.Gradient.AsSpan<float>().ContainsAnyExcept(0)));
        Assert.InRange(TestModel.RelativeL2(one.Gradient.AsSpan<float>(), sum), 0, 1e-6);

        void RunOnce(ParameterSet parameters, Parameter[] tables, bool reuse)
        {
            GraphBuilder g = new("attention", parameters);
            GraphTensor ids = g.Input("ids", new(1, 3), DType.Int32);
            GraphTensor q = g.Embedding(ids, tables[0]);
            GraphTensor k = reuse && queryToo ? q : g.Embedding(ids, tables[1]);
            GraphTensor v = reuse ? k : g.Embedding(ids, tables[2]);
            g.Output("loss", g.CrossEntropy(g.Attention(q, k, v, new() { Heads = 2 }), ids));
            using CompiledGraph graph = g.Compile(TestModel.On(Reference) with { Training = true });
            graph.Feed<int>("ids", [1, 3, 0]);
            graph.Forward();
            graph.Backward();
        }
    }

    [Fact]
    public void Gradients_AccumulateUntilCleared()
    {
        using TestModel model = new(Simd);
        (_, float[] once) = model.Run(TestModel.On(Simd));
        using CompiledGraph graph = model.Build().Compile(
            TestModel.On(Simd) with { Training = true });
        TestModel.Feed(graph);
        model.Parameters.ClearGradients();
        for (int i = 0; i < 2; i++)
        {
            graph.Forward();
            graph.Backward();
        }

        float[] twice = model.Parameters.Gradients.AsSpan<float>().ToArray();
        Assert.InRange(TestModel.RelativeL2(twice, [.. once.Select(v => 2 * v)]), 0, 1e-6);
    }

    [Fact]
    public void LossGradient_ScalesEveryGradient()
    {
        using TestModel model = new(Simd);
        (_, float[] plain) = model.Run(TestModel.On(Simd));
        using CompiledGraph graph = model.Build().Compile(
            TestModel.On(Simd) with { Training = true });
        TestModel.Feed(graph);
        graph.Feed<float>("lossGradient", [4f]);
        model.Parameters.ClearGradients();
        graph.Forward();
        graph.Backward();
        float[] scaled = model.Parameters.Gradients.AsSpan<float>().ToArray();
        Assert.InRange(TestModel.RelativeL2(scaled, [.. plain.Select(v => 4 * v)]), 0, 1e-6);
    }

    [Fact]
    public void ValueWithThreeConsumers_GetsTheSumOfTheirGradients()
    {
        using ParameterSet parameters = new(Reference);
        parameters.Allocate(1);
        GraphBuilder g = new("sum", parameters);
        GraphTensor x = g.Input("x", new(1, 3));
        GraphTensor y = g.Add(g.Add(x, g.Relu(x)), g.Relu(x));
        g.Output("loss", y);
        using CompiledGraph graph = g.Compile(
            TestModel.On(Reference) with { Training = true, InputGradients = ["x"] });
        graph.Feed<float>("x", [-1, 2, 3]);
        graph.Feed<float>("lossGradient", [1, 10, 100]);
        graph.Forward();
        Assert.Equal([-1f, 6, 9], graph.Output<float>("loss").ToArray());
        graph.Backward();
        Assert.Equal([1f, 30, 300], graph.Output<float>("x.gradient").ToArray());
    }

    [Fact]
    public void Dropout_DependsOnSeedAndStepOnlyAndIsEqualOnBothBackends()
    {
        using TestModel model = new(Simd, TestModel.Layer(dropout: 0.5));
        float Loss(Backend backend, ulong seed, long step)
        {
            using CompiledGraph graph = model.Build().Compile(
                TestModel.On(backend) with { Training = true });
            TestModel.Feed(graph);
            graph.Seed = seed;
            graph.Step = step;
            graph.Forward();
            return graph.Output<float>("loss")[0];
        }

        float first = Loss(Simd, 1, 1);
        Assert.Equal(first, Loss(Simd, 1, 1));
        Assert.NotEqual(first, Loss(Simd, 1, 2));
        Assert.NotEqual(first, Loss(Simd, 2, 1));
        Assert.InRange(Loss(Reference, 1, 1) / first, 1 - 1e-5, 1 + 1e-5);
    }

    [Fact]
    public void FrozenParameters_GetNoGradientNode()
    {
        using ParameterSet parameters = new(Reference);
        Parameter frozen = parameters.Declare(
            "frozen", new(3, 2), Initializer.XavierUniform(), trainable: false);
        Parameter weight = parameters.Declare("weight", new(4, 3), Initializer.XavierUniform());
        parameters.Allocate(1);
        GraphBuilder g = new("frozen", parameters);
        GraphTensor x = g.Input("x", new(2, 2));
        GraphTensor labels = g.Input("labels", new(2), DType.Int32);
        GraphTensor hidden = g.Linear(x, frozen);
        g.Output("loss", g.CrossEntropy(g.Linear(hidden, weight), labels));
        using CompiledGraph graph = g.Compile(
            TestModel.On(Reference) with { Training = true });
        NodeInfo backward = Assert.Single(graph.Nodes, n =>
            n.Direction == OpDirection.Backward && n.Kind == "Linear");
        Assert.Equal("weight", backward.Name);
        Assert.Empty(backward.Outputs);
    }
}
