using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tests.Support;

namespace Transformer.Tests.Linear;

/// <summary>Buffers of one linear layer, run forward and backward on the reference.</summary>
internal sealed class LinearProblem(KernelTest test, int rows, int inputs, int outputs)
{
    public required TestBuffer Input { get; init; }

    public required TestBuffer Weight { get; init; }

    public TestBuffer? Bias { get; init; }

    public Activation Activation { get; init; }

    public TestBuffer Output { get; } = test.Output((long)rows * outputs);

    public TestBuffer PreActivation { get; } = test.Output((long)rows * outputs);

    public TestBuffer InputGradient { get; } = test.Output((long)rows * inputs);

    public TestBuffer WeightGradient { get; } = test.Zeros((long)inputs * outputs);

    public TestBuffer BiasGradient { get; } = test.Zeros(outputs);

    public void Forward() => BackendRegistry.Reference.Run(new LinearForward
    {
        Input = Input,
        Weight = Weight,
        Bias = Bias,
        Output = Output,
        PreActivation = PreActivation,
        Rows = rows,
        InputFeatures = inputs,
        OutputFeatures = outputs,
        Activation = Activation,
    });

    public void Backward(double[] outputGradient) =>
        BackendRegistry.Reference.Run(new LinearBackward
        {
            Input = Input,
            Weight = Weight,
            PreActivation = PreActivation,
            OutputGradient = test.Real(outputGradient),
            InputGradient = InputGradient,
            WeightGradient = WeightGradient,
            BiasGradient = BiasGradient,
            Rows = rows,
            InputFeatures = inputs,
            OutputFeatures = outputs,
            Activation = Activation,
        });
}
