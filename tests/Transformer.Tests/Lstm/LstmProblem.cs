using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tests.Support;

namespace Transformer.Tests.Lstm;

/// <summary>Buffers of one recurrent layer, run forward and backward on the reference.</summary>
internal sealed class LstmProblem(KernelTest test, int batch, int length, int inputs, int hidden)
{
    public required TestBuffer Input { get; init; }

    public required TestBuffer InputWeight { get; init; }

    public required TestBuffer RecurrentWeight { get; init; }

    public required TestBuffer Bias { get; init; }

    public required TestBuffer InitialHidden { get; init; }

    public required TestBuffer InitialCell { get; init; }

    public TestBuffer Output { get; } = test.Output((long)batch * length * hidden);

    public TestBuffer Gates { get; } = test.Output(4L * batch * length * hidden);

    public TestBuffer Cells { get; } = test.Output((long)batch * length * hidden);

    public TestBuffer InputGradient { get; } = test.Output((long)batch * length * inputs);

    public TestBuffer InputWeightGradient { get; } = test.Zeros(4L * hidden * inputs);

    public TestBuffer RecurrentWeightGradient { get; } = test.Zeros(4L * hidden * hidden);

    public TestBuffer BiasGradient { get; } = test.Zeros(4L * hidden);

    public TestBuffer InitialHiddenGradient { get; } = test.Output((long)batch * hidden);

    public TestBuffer InitialCellGradient { get; } = test.Output((long)batch * hidden);

    public double[] Forward()
    {
        BackendRegistry.Reference.Run(new LstmForward
        {
            Input = Input,
            InputWeight = InputWeight,
            RecurrentWeight = RecurrentWeight,
            Bias = Bias,
            InitialHidden = InitialHidden,
            InitialCell = InitialCell,
            Output = Output,
            Gates = Gates,
            Cells = Cells,
            Batch = batch,
            Length = length,
            InputFeatures = inputs,
            Hidden = hidden,
        });
        return Output.Values;
    }

    public void Backward(double[] outputGradient)
    {
        BackendRegistry.Reference.Run(new LstmBackward
        {
            Input = Input,
            InputWeight = InputWeight,
            RecurrentWeight = RecurrentWeight,
            InitialHidden = InitialHidden,
            InitialCell = InitialCell,
            Output = Output,
            Gates = Gates,
            Cells = Cells,
            OutputGradient = test.Real(outputGradient),
            InputGradient = InputGradient,
            InputWeightGradient = InputWeightGradient,
            RecurrentWeightGradient = RecurrentWeightGradient,
            BiasGradient = BiasGradient,
            InitialHiddenGradient = InitialHiddenGradient,
            InitialCellGradient = InitialCellGradient,
            Batch = batch,
            Length = length,
            InputFeatures = inputs,
            Hidden = hidden,
        });
    }
}
