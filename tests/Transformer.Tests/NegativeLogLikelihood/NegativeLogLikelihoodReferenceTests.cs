using Transformer.Ops;
using Transformer.Tests.Support;

namespace Transformer.Tests.NegativeLogLikelihood;

public class NegativeLogLikelihoodReferenceTests : KernelTest
{
    [Theory]
    [InlineData(LossReduction.Sum, 1 + 40 + 8)]
    [InlineData(LossReduction.Mean, 49 / 8.0)]
    public void ForwardAndBackward_ByHand(LossReduction reduction, double expected)
    {
        // Columns of classes: 1·1 for label 0, 5·8 for label 2, one ignored, 2·4 for label 1.
        TestBuffer losses = Output(4), loss = Output(1), gradient = Output(12);
        TestBuffer labels = Ints(0, 2, -1, 1), weights = Real([1, 2, 5]);
        Reference.Run(new NegativeLogLikelihoodForward
        {
            LogProbabilities = Real([-1, 9, 9, 9, 9, 9, 9, -4, 9, -8, 9, 9]),
            Labels = labels,
            ClassWeights = weights,
            Losses = losses,
            Loss = loss,
            Outer = 1,
            Classes = 3,
            Inner = 4,
            IgnoreIndex = -1,
            Reduction = reduction,
        });
        Assert.Equal([1.0, 40, 0, 8], losses.Values);
        Assert.Equal([expected], loss.Values);

        Reference.Run(new NegativeLogLikelihoodBackward
        {
            Labels = labels,
            ClassWeights = weights,
            LossGradient = Real([2]),
            LogProbabilitiesGradient = gradient,
            Outer = 1,
            Classes = 3,
            Inner = 4,
            IgnoreIndex = -1,
            Reduction = reduction,
        });
        double s = reduction == LossReduction.Sum ? 2 : 0.25;
        Assert.Equal([-s, 0, 0, 0, 0, 0, 0, -2 * s, 0, -5 * s, 0, 0], gradient.Values);
    }

    [Fact]
    public void OfLogSoftmax_IsSoftmaxCrossEntropy()
    {
        TestBuffer logits = Real(Numbers.Normal(1, 20)), logs = Output(20);
        TestBuffer labels = Ints(4, 2, 0, 2), weights = Real([1, 2, 0.5, 3, 4]);
        TestBuffer losses = Output(4), loss = Output(1), others = Output(4), other = Output(1);
        Reference.Run(new LogSoftmaxForward
        {
            Input = logits, Output = logs, Outer = 4, Length = 5, Inner = 1,
        });
        Reference.Run(new NegativeLogLikelihoodForward
        {
            LogProbabilities = logs, Labels = labels, ClassWeights = weights, Losses = losses,
            Loss = loss, Outer = 4, Classes = 5, Inner = 1, IgnoreIndex = 0,
        });
        Reference.Run(new SoftmaxCrossEntropyForward
        {
            Logits = logits, Labels = labels, ClassWeights = weights, RowLosses = others,
            LogSumExp = Output(4), Loss = other, Rows = 4, Classes = 5, IgnoreIndex = 0,
        });

        // The same numbers, added in another order.
        Numbers.Close(others.Values, losses.Values, 1e-15, "row losses");
        Numbers.Close(other.Values, loss.Values, 1e-15, "loss");
    }

    [Fact]
    public void LabelsThatWeighNothing_HaveLossAndGradientZero()
    {
        TestBuffer loss = Output(1), gradient = Output(4);
        Reference.Run(new NegativeLogLikelihoodForward
        {
            LogProbabilities = Real([-1, -2, -3, -4]), Labels = Ints(0, 0),
            ClassWeights = Real([0, 1]), Loss = loss, Outer = 2, Classes = 2, Inner = 1,
        });
        Reference.Run(new NegativeLogLikelihoodBackward
        {
            Labels = Ints(0, 0), ClassWeights = Real([0, 1]), LogProbabilitiesGradient = gradient,
            Outer = 2, Classes = 2, Inner = 1,
        });
        Assert.Equal([0.0], loss.Values);
        Assert.Equal([0.0, 0, 0, 0], gradient.Values);
    }

    [Fact]
    public void Calls_RejectWrongArguments()
    {
        NegativeLogLikelihoodForward call = new()
        {
            LogProbabilities = Real(new double[6]), Labels = Ints(0, 2), Loss = Output(1),
            Outer = 2, Classes = 3, Inner = 1,
        };
        Rejects(call with { Labels = Ints(0, 3) },
            "NegativeLogLikelihood: 'labels[1]' is 3; expected 0 to 2. Pass labels of these " +
            "classes or set 'IgnoreIndex'.");
        Rejects(call with { Inner = 2 },
            "NegativeLogLikelihood: 'labels' has 2 elements; expected 4 for shape [2, 2]. Pass a " +
            "buffer of that size.");
        Rejects(call with { ClassWeights = Real(new double[2]) },
            "NegativeLogLikelihood: 'classWeights' has 2 elements; expected 3 for shape [3]. " +
            "Pass a buffer of that size.");
        Rejects(call with { Reduction = (LossReduction)5 },
            "NegativeLogLikelihood: 'Reduction' is 5, which has no name. Use Mean, Sum.");
    }
}
