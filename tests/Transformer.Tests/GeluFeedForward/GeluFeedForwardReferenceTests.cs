using Transformer.Ops;
using Transformer.Tests.Fixtures;
using Transformer.Tests.Support;

namespace Transformer.Tests.GeluFeedForward;

public class GeluFeedForwardReferenceTests : KernelTest
{
    /// <summary>Two sums of at most ten products in another order than PyTorch's.</summary>
    private const double Tolerance = 3e-15;

    [Fact]
    public void Forward_ByHand()
    {
        // 2·[1, −1] + [1, 0] = [3, −2]; ReLU: [3, 0]; [3, 0]·[10, 20] + 5 = 35.
        TestBuffer output = Output(1);
        TestBuffer preActivation = Output(2);
        Reference.Run(new GeluFeedForwardForward
        {
            Input = Real([2]),
            Weight1 = Real([1, -1]),
            Bias1 = Real([1, 0]),
            Weight2 = Real([10, 20]),
            Bias2 = Real([5]),
            Output = output,
            PreActivation = preActivation,
            Rows = 1,
            Width = 1,
            Hidden = 2,
            OutputWidth = 1,
            Activation = Activation.Relu,
        });
        Assert.Equal([35.0], output.Values);
        Assert.Equal([3.0, -2], preActivation.Values);
    }

    [Theory]
    [InlineData("gelu_exact", Activation.Gelu)]
    [InlineData("gelu_tanh", Activation.GeluTanh)]
    [InlineData("silu", Activation.Silu)]
    [InlineData("relu", Activation.Relu)]
    public void ForwardAndBackward_MatchPyTorch(string @case, Activation activation)
    {
        Fixture fixture = Fixture.Load("feed_forward", @case);
        int width = (int)fixture.Shape("w1")[1];
        int hidden = (int)fixture.Shape("w1")[0];
        int outputWidth = (int)fixture.Shape("w2")[0];
        int rows = fixture.Doubles("x").Length / width;
        FeedForwardProblem problem = new(this, rows, width, hidden, outputWidth)
        {
            Input = Real(fixture.Doubles("x")),
            Weight1 = Real(fixture.Doubles("w1")),
            Bias1 = Real(fixture.Doubles("b1")),
            Weight2 = Real(fixture.Doubles("w2")),
            Bias2 = Real(fixture.Doubles("b2")),
            Activation = activation,
        };
        problem.Forward();
        Require("y", problem.Output);
        problem.Backward(fixture.Doubles("d_y"));
        Require("d_x", problem.InputGradient);
        Require("d_w1", problem.Weight1Gradient);
        Require("d_b1", problem.Bias1Gradient);
        Require("d_w2", problem.Weight2Gradient);
        Require("d_b2", problem.Bias2Gradient);

        void Require(string name, TestBuffer actual) => Numbers.Close(
            fixture.Doubles(name), actual.Values, Tolerance, $"{fixture.Name}/{name}");
    }

    [Theory]
    [InlineData(Activation.Gelu)]
    [InlineData(Activation.GeluTanh)]
    [InlineData(Activation.Relu)]
    public void Backward_MatchesCentralDifferences(Activation activation)
    {
        FeedForwardProblem problem = new(this, rows: 3, width: 2, hidden: 5, outputWidth: 4)
        {
            Input = Real(Numbers.Normal(1, 6)),
            Weight1 = Real(Numbers.Normal(2, 10)),
            Bias1 = Real(Numbers.Normal(3, 5)),
            Weight2 = Real(Numbers.Normal(4, 20)),
            Bias2 = Real(Numbers.Normal(5, 4)),
            Activation = activation,
        };
        double[] weights = Numbers.Normal(6, 12);
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
        CentralDifference.Check("weight1", problem.Weight1, problem.Weight1Gradient.Values, Loss);
        CentralDifference.Check("bias1", problem.Bias1, problem.Bias1Gradient.Values, Loss);
        CentralDifference.Check("weight2", problem.Weight2, problem.Weight2Gradient.Values, Loss);
        CentralDifference.Check("bias2", problem.Bias2, problem.Bias2Gradient.Values, Loss);
    }

    [Fact]
    public void Backward_AddsToParameterGradientsAndOverwritesTheInputs()
    {
        FeedForwardProblem problem = new(this, rows: 1, width: 1, hidden: 1, outputWidth: 1)
        {
            Input = Real([2]),
            Weight1 = Real([3]),
            Bias1 = Real([0]),
            Weight2 = Real([5]),
            Bias2 = Real([0]),
            Activation = Activation.Relu,
        };
        problem.Forward();
        problem.Backward([1]);
        problem.Backward([1]);
        // h = 6; dW2 = 6, dh = 5, dW1 = 5·2, dx = 5·3; parameters' gradients twice.
        Assert.Equal([15.0], problem.InputGradient.Values);
        Assert.Equal([20.0], problem.Weight1Gradient.Values);
        Assert.Equal([10.0], problem.Bias1Gradient.Values);
        Assert.Equal([12.0], problem.Weight2Gradient.Values);
        Assert.Equal([2.0], problem.Bias2Gradient.Values);
    }

    [Fact]
    public void Calls_RejectWrongArguments()
    {
        GeluFeedForwardForward call = new()
        {
            Input = Real(new double[4]),
            Weight1 = Real(new double[6]),
            Weight2 = Real(new double[6]),
            Output = Output(4),
            Rows = 2,
            Width = 2,
            Hidden = 3,
            OutputWidth = 2,
            Activation = Activation.Gelu,
        };
        Rejects(call with { Activation = Activation.None },
            "GeluFeedForward: 'Activation' is None; expected another one. Two " +
            "linear layers without one collapse into one: use Linear.");
        Rejects(call with { Weight2 = Real(new double[5]) },
            "GeluFeedForward: 'weight2' has 5 elements; expected 6 for shape [2, 3]. Pass a " +
            "buffer of that size.");
        Rejects(call with { Hidden = -3 },
            "GeluFeedForward: 'Hidden' is -3; expected 1 or more. Pass the tensors' size.");
        Rejects(call with { Bias1 = Real(new double[2]) },
            "GeluFeedForward: 'bias1' has 2 elements; expected 3 for shape [3]. Pass a buffer of " +
            "that size.");
        GeluFeedForwardBackward backward = new()
        {
            Input = call.Input,
            Weight1 = call.Weight1,
            Weight2 = call.Weight2,
            OutputGradient = Real(new double[4]),
            Rows = 2,
            Width = 2,
            Hidden = 3,
            OutputWidth = 2,
            Activation = Activation.Gelu,
        };
        Rejects(backward,
            "GeluFeedForward: 'preActivation' has no buffer; expected 6 for shape [2, 3]. Pass a " +
            "buffer of that size.");
    }
}
