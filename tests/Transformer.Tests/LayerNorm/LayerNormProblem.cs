using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tests.Support;

namespace Transformer.Tests.LayerNorm;

/// <summary>Buffers of one layer normalisation, run on the reference.</summary>
internal sealed class LayerNormProblem(KernelTest test, int rows, int width)
{
    public required TestBuffer Input { get; init; }

    public TestBuffer? Residual { get; init; }

    public TestBuffer? Weight { get; init; }

    public TestBuffer? Bias { get; init; }

    public double? Epsilon { get; init; }

    public TestBuffer Sum { get; } = test.Output((long)rows * width);

    public TestBuffer Output { get; } = test.Output((long)rows * width);

    public TestBuffer Mean { get; } = test.Output(rows);

    public TestBuffer InverseStd { get; } = test.Output(rows);

    public TestBuffer InputGradient { get; } = test.Output((long)rows * width);

    public TestBuffer WeightGradient { get; } = test.Zeros(width);

    public TestBuffer BiasGradient { get; } = test.Zeros(width);

    public void Forward() => BackendRegistry.Reference.Run(new LayerNormForward
    {
        Input = Input,
        Residual = Residual,
        Weight = Weight,
        Bias = Bias,
        Sum = Sum,
        Output = Output,
        Mean = Mean,
        InverseStd = InverseStd,
        Rows = rows,
        Width = width,
        Epsilon = Epsilon,
    });

    public void Backward(double[] outputGradient, TestBuffer? sumGradient = null) =>
        BackendRegistry.Reference.Run(new LayerNormBackward
        {
            Sum = Sum,
            Weight = Weight,
            Mean = Mean,
            InverseStd = InverseStd,
            OutputGradient = test.Real(outputGradient),
            SumGradient = sumGradient,
            InputGradient = InputGradient,
            WeightGradient = WeightGradient,
            BiasGradient = BiasGradient,
            Rows = rows,
            Width = width,
        });
}
