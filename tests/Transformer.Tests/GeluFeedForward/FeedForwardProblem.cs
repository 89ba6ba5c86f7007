using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tests.Support;

namespace Transformer.Tests.GeluFeedForward;

/// <summary>Buffers of one feed-forward network, run forward and backward on the reference.
/// </summary>
internal sealed class FeedForwardProblem(
    KernelTest test, int rows, int width, int hidden, int outputWidth)
{
    public required TestBuffer Input { get; init; }

    public required TestBuffer Weight1 { get; init; }

    public required TestBuffer Bias1 { get; init; }

    public required TestBuffer Weight2 { get; init; }

    public required TestBuffer Bias2 { get; init; }

    public Activation Activation { get; init; }

    public TestBuffer Output { get; } = test.Output((long)rows * outputWidth);

    public TestBuffer PreActivation { get; } = test.Output((long)rows * hidden);

    public TestBuffer InputGradient { get; } = test.Output((long)rows * width);

    public TestBuffer Weight1Gradient { get; } = test.Zeros((long)hidden * width);

    public TestBuffer Bias1Gradient { get; } = test.Zeros(hidden);

    public TestBuffer Weight2Gradient { get; } = test.Zeros((long)outputWidth * hidden);

    public TestBuffer Bias2Gradient { get; } = test.Zeros(outputWidth);

    public void Forward() => BackendRegistry.Reference.Run(new GeluFeedForwardForward
    {
        Input = Input,
        Weight1 = Weight1,
        Bias1 = Bias1,
        Weight2 = Weight2,
        Bias2 = Bias2,
        Output = Output,
        PreActivation = PreActivation,
        Rows = rows,
        Width = width,
        Hidden = hidden,
        OutputWidth = outputWidth,
        Activation = Activation,
    });

    public void Backward(double[] outputGradient) =>
        BackendRegistry.Reference.Run(new GeluFeedForwardBackward
        {
            Input = Input,
            Weight1 = Weight1,
            Weight2 = Weight2,
            PreActivation = PreActivation,
            OutputGradient = test.Real(outputGradient),
            InputGradient = InputGradient,
            Weight1Gradient = Weight1Gradient,
            Bias1Gradient = Bias1Gradient,
            Weight2Gradient = Weight2Gradient,
            Bias2Gradient = Bias2Gradient,
            Rows = rows,
            Width = width,
            Hidden = hidden,
            OutputWidth = outputWidth,
            Activation = Activation,
        });
}
