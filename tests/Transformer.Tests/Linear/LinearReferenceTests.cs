using Transformer.Ops;
using Transformer.Tests.Fixtures;
using Transformer.Tests.Support;

namespace Transformer.Tests.Linear;

public class LinearReferenceTests : KernelTest
{
    /// <summary>Sums of at most ten products in another order than PyTorch's: some ulps.</summary>
    private const double Tolerance = 2e-15;

    [Fact]
    public void Forward_ByHand()
    {
        // [1, 2]·[[3, 4], [5, 6], [−1, −1]]ᵀ = [11, 17, −3]; plus [1, 0, 0].
        TestBuffer output = Output(3);
        TestBuffer preActivation = Output(3);
        LinearForward call = new()
        {
            Input = Real([1, 2]),
            Weight = Real([3, 4, 5, 6, -1, -1]),
            Bias = Real([1, 0, 0]),
            Output = output,
            PreActivation = preActivation,
            Rows = 1,
            InputFeatures = 2,
            OutputFeatures = 3,
        };
        Reference.Run(call);
        Assert.Equal([12.0, 17, -3], output.Values);
        Reference.Run(call with { Activation = Activation.Relu, Bias = default });
        Assert.Equal([11.0, 17, 0], output.Values);
        Assert.Equal([11.0, 17, -3], preActivation.Values);
    }

    [Fact]
    public void Backward_ByHand()
    {
        // ReLU lets only the first output's gradient through: g = [2, 0].
        TestBuffer input = Output(2);
        TestBuffer weight = Real([100, 100, 100, 100]);
        TestBuffer bias = Real([100, 100]);
        Reference.Run(new LinearBackward
        {
            Input = Real([5, 7]),
            Weight = Real([3, 4, 11, 13]),
            PreActivation = Real([1, -1]),
            OutputGradient = Real([2, 50]),
            InputGradient = input,
            WeightGradient = weight,
            BiasGradient = bias,
            Rows = 1,
            InputFeatures = 2,
            OutputFeatures = 2,
            Activation = Activation.Relu,
        });
        Assert.Equal([6.0, 8], input.Values);
        Assert.Equal([110.0, 114, 100, 100], weight.Values);
        Assert.Equal([102.0, 100], bias.Values);
    }

    [Theory]
    [InlineData("identity", Activation.None)]
    [InlineData("no_bias", Activation.None)]
    [InlineData("relu", Activation.Relu)]
    [InlineData("gelu_exact", Activation.Gelu)]
    [InlineData("gelu_tanh", Activation.GeluTanh)]
    [InlineData("silu", Activation.Silu)]
    public void ForwardAndBackward_MatchPyTorch(string @case, Activation activation)
    {
        Fixture fixture = Fixture.Load("linear", @case);
        int inputs = (int)fixture.Shape("weight")[1];
        int outputs = (int)fixture.Shape("weight")[0];
        LinearProblem problem = new(this, fixture.Doubles("x").Length / inputs, inputs, outputs)
        {
            Input = Real(fixture.Doubles("x")),
            Weight = Real(fixture.Doubles("weight")),
            Bias = fixture.Has("bias") ? Real(fixture.Doubles("bias")) : null,
            Activation = activation,
        };
        problem.Forward();
        Require("y", problem.Output);
        Require("pre", problem.PreActivation);
        problem.Backward(fixture.Doubles("d_y"));
        Require("d_x", problem.InputGradient);
        Require("d_weight", problem.WeightGradient);
        if (fixture.Has("d_bias")) Require("d_bias", problem.BiasGradient);

        void Require(string name, TestBuffer actual) => Numbers.Close(
            fixture.Doubles(name), actual.Values, Tolerance, $"{fixture.Name}/{name}");
    }

    [Theory]
    [InlineData(Activation.None)]
    [InlineData(Activation.Relu)]
    [InlineData(Activation.Gelu)]
    [InlineData(Activation.GeluTanh)]
    [InlineData(Activation.Tanh)]
    public void Backward_MatchesCentralDifferences(Activation activation)
    {
        LinearProblem problem = new(this, rows: 4, inputs: 3, outputs: 5)
        {
            Input = Real(Numbers.Normal(1, 12)),
            Weight = Real(Numbers.Normal(2, 15)),
            Bias = Real(Numbers.Normal(3, 5)),
            Activation = activation,
        };
        double[] weights = Numbers.Normal(4, 20);
        double Loss()
        {
            problem.Forward();
            return Numbers.Dot(weights, problem.Output.Values);
        }

        problem.Forward();
        // ReLU has no derivative at 0: no pre-activation comes near it.
        Assert.DoesNotContain(problem.PreActivation.Values, x => Math.Abs(x) < 0.02);
        problem.Backward(weights);
        CentralDifference.Check("input", problem.Input, problem.InputGradient.Values, Loss);
        CentralDifference.Check("weight", problem.Weight, problem.WeightGradient.Values, Loss);
        CentralDifference.Check("bias", problem.Bias!, problem.BiasGradient.Values, Loss);
    }

    [Fact]
    public void Calls_RejectWrongArguments()
    {
        LinearForward call = new()
        {
            Input = Real(new double[4]),
            Weight = Real(new double[6]),
            Output = Output(6),
            Rows = 2,
            InputFeatures = 2,
            OutputFeatures = 3,
        };
        Rejects(call with { Weight = Real(new double[4]) },
            "Linear: 'weight' has 4 elements; expected 6 for shape [3, 2]. Pass a buffer of that " +
            "size.");
        Rejects(call with { OutputFeatures = 0 },
            "Linear: 'OutputFeatures' is 0; expected 1 or more. Pass the tensors' size.");
        Rejects(call with { Rows = -2 },
            "Linear: 'Rows' is -2; expected 0 or more. Pass the tensors' size.");
        Rejects(call with { Output = call.Weight },
            "Linear: 'output' overlaps 'weight'. Pass separate buffers.");
        Rejects(call with { Bias = Ints(1, 2, 3) },
            "Linear: 'bias' is Int32; expected a floating-point type. Convert it first.");
        LinearBackward backward = new()
        {
            Input = call.Input,
            Weight = call.Weight,
            OutputGradient = Real(new double[6]),
            Rows = 2,
            InputFeatures = 2,
            OutputFeatures = 3,
            Activation = Activation.Relu,
        };
        Rejects(backward,
            "Linear: 'preActivation' has no buffer; expected 6 for shape [2, 3]. Pass a buffer " +
            "of that size.");
    }
}
