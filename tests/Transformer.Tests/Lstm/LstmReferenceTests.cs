using Transformer.Ops;
using Transformer.Tests.Fixtures;
using Transformer.Tests.Support;

namespace Transformer.Tests.Lstm;

public class LstmReferenceTests : KernelTest
{
    /// <summary>Four steps of sums of eight products in another order than PyTorch's.</summary>
    private const double Tolerance = 1e-14;

    [Fact]
    public void Forward_ByHand()
    {
        // One step from hidden 0.5 and cell 2; the bias alone differs between the gates i, f, g, o.
        // z = 3·input + 2·hidden + bias = 4 + bias = ln 3, 0, atanh 0.5, −ln 3.
        double[] sums = [Math.Log(3), 0, Math.Atanh(0.5), -Math.Log(3)];
        LstmProblem problem = new(this, batch: 1, length: 1, inputs: 1, hidden: 1)
        {
            Input = Real([1]),
            InputWeight = Real([3, 3, 3, 3]),
            RecurrentWeight = Real([2, 2, 2, 2]),
            Bias = Real([.. sums.Select(z => z - 4)]),
            InitialHidden = Real([0.5]),
            InitialCell = Real([2]),
        };
        problem.Forward();
        Numbers.Close([0.75, 0.5, 0.5, 0.25], problem.Gates.Values, Tolerance, "gates");
        // 0.5·2 + 0.75·0.5
        Numbers.Close([1.375], problem.Cells.Values, Tolerance, "cells");
        Numbers.Close([0.25 * Math.Tanh(1.375)], problem.Output.Values, Tolerance, "output");
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("no_bias")]
    [InlineData("initial")]
    public void ForwardAndBackward_MatchPyTorch(string @case)
    {
        const int Batch = 2, Length = 4, Inputs = 5, Hidden = 3;
        Fixture fixture = Fixture.Load("lstm", @case);
        Assert.Equal([Batch, Length, Inputs], fixture.Shape("x"));
        Assert.Equal([4 * Hidden, Hidden], fixture.Shape("weight_hh_l0"));
        bool bias = fixture.Has("bias_ih_l0"), initial = fixture.Has("h0");
        LstmProblem problem = new(this, Batch, Length, Inputs, Hidden)
        {
            Input = Real(fixture.Doubles("x")),
            InputWeight = Real(fixture.Doubles("weight_ih_l0")),
            RecurrentWeight = Real(fixture.Doubles("weight_hh_l0")),
            Bias = !bias ? Zeros(4 * Hidden) : Real([.. fixture.Doubles("bias_ih_l0")
                .Zip(fixture.Doubles("bias_hh_l0"), (a, b) => a + b)]),
            InitialHidden = initial ? Real(fixture.Doubles("h0")) : Zeros(Batch * Hidden),
            InitialCell = initial ? Real(fixture.Doubles("c0")) : Zeros(Batch * Hidden),
        };
        problem.Forward();
        Require("y", problem.Output.Values);
        Require("cell", [.. problem.Cells.Values.Chunk(Length * Hidden)
            .SelectMany(sequence => sequence[^Hidden..])]);
        problem.Backward(fixture.Doubles("d_y"));
        Require("d_x", problem.InputGradient.Values);
        Require("d_weight_ih_l0", problem.InputWeightGradient.Values);
        Require("d_weight_hh_l0", problem.RecurrentWeightGradient.Values);
        if (bias)
        {
            Require("d_bias_ih_l0", problem.BiasGradient.Values);
            Require("d_bias_hh_l0", problem.BiasGradient.Values);
        }

        if (initial)
        {
            Require("d_h0", problem.InitialHiddenGradient.Values);
            Require("d_c0", problem.InitialCellGradient.Values);
        }

        void Require(string name, double[] actual) => Numbers.Close(
            fixture.Doubles(name), actual, Tolerance, $"{fixture.Name}/{name}");
    }

    [Fact]
    public void Backward_MatchesCentralDifferences()
    {
        LstmProblem problem = new(this, batch: 2, length: 3, inputs: 2, hidden: 3)
        {
            Input = Real(Numbers.Normal(1, 12)),
            InputWeight = Real(Numbers.Normal(2, 24)),
            RecurrentWeight = Real(Numbers.Normal(3, 36)),
            Bias = Real(Numbers.Normal(4, 12)),
            InitialHidden = Real(Numbers.Normal(5, 6)),
            InitialCell = Real(Numbers.Normal(6, 6)),
        };
        double[] weights = Numbers.Normal(7, 18);
        double Loss() => Numbers.Dot(weights, problem.Forward());

        Loss();
        problem.Backward(weights);
        CentralDifference.Check("input", problem.Input, problem.InputGradient.Values, Loss);
        CentralDifference.Check(
            "inputWeight", problem.InputWeight, problem.InputWeightGradient.Values, Loss);
        CentralDifference.Check("recurrentWeight", problem.RecurrentWeight,
            problem.RecurrentWeightGradient.Values, Loss);
        CentralDifference.Check("bias", problem.Bias, problem.BiasGradient.Values, Loss);
        CentralDifference.Check("initialHidden", problem.InitialHidden,
            problem.InitialHiddenGradient.Values, Loss);
        CentralDifference.Check(
            "initialCell", problem.InitialCell, problem.InitialCellGradient.Values, Loss);
    }

    [Fact]
    public void Calls_RejectWrongArguments()
    {
        LstmForward call = new()
        {
            Input = Real(new double[12]),
            InputWeight = Real(new double[24]),
            RecurrentWeight = Real(new double[36]),
            Output = Output(18),
            Batch = 2,
            Length = 3,
            InputFeatures = 2,
            Hidden = 3,
        };
        Rejects(call with { RecurrentWeight = Real(new double[9]) },
            "Lstm: 'recurrentWeight' has 9 elements; expected 36 for shape [12, 3]. Pass a " +
            "buffer of that size.");
        Rejects(call with { InitialCell = Real(new double[3]) },
            "Lstm: 'initialCell' has 3 elements; expected 6 for shape [2, 3]. Pass a buffer of " +
            "that size.");
        Rejects(call with { Hidden = 0 },
            "Lstm: 'Hidden' is 0; expected 1 or more. Pass the tensors' size.");
        Rejects(call with { Output = call.Input },
            "Lstm: 'output' has 12 elements; expected 18 for shape [2, 3, 3]. Pass a buffer of " +
            "that size.");
        Rejects(call with { Cells = call.Output },
            "Lstm: 'output' overlaps 'cells'. Pass separate buffers.");
        Rejects(
            new LstmBackward
            {
                Input = call.Input,
                InputWeight = call.InputWeight,
                RecurrentWeight = call.RecurrentWeight,
                Output = call.Output,
                Cells = Real(new double[18]),
                OutputGradient = Real(new double[18]),
                Batch = 2,
                Length = 3,
                InputFeatures = 2,
                Hidden = 3,
            },
            "Lstm: 'gates' has no buffer; expected 72 for shape [2, 3, 12]. Pass a buffer of " +
            "that size.");
    }
}
