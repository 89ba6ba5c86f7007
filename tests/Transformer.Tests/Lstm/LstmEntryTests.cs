using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tests.Support;
using Kernels = Transformer.Ops;

namespace Transformer.Tests.Lstm;

public sealed class LstmEntryTests : KernelTest
{
    private const int Batch = 2, Length = 3, Inputs = 4, Hidden = 5;

    /// <summary>Results of order 1 in binary32, from gates and cells rounded to it.</summary>
    private const double Tolerance = 1e-6;

    private static readonly LstmSizes Sizes = new(Batch, Length, Inputs, Hidden);

    private readonly float[] input = Floats(1, Batch * Length * Inputs);
    private readonly float[] inputWeight = Floats(2, 4 * Hidden * Inputs);
    private readonly float[] recurrentWeight = Floats(3, 4 * Hidden * Hidden);
    private readonly float[] bias = Floats(4, 4 * Hidden);
    private readonly float[] initialHidden = Floats(5, Batch * Hidden);
    private readonly float[] initialCell = Floats(6, Batch * Hidden);
    private readonly float[] outputGradient = Floats(7, Batch * Length * Hidden);
    private readonly float[] output = new float[Batch * Length * Hidden];
    private readonly float[] gates = new float[4 * Batch * Length * Hidden];
    private readonly float[] cells = new float[Batch * Length * Hidden];
    private readonly float[] inputGradient = new float[Batch * Length * Inputs];
    private readonly float[] inputWeightGradient = new float[4 * Hidden * Inputs];
    private readonly float[] recurrentWeightGradient = new float[4 * Hidden * Hidden];
    private readonly float[] biasGradient = new float[4 * Hidden];
    private readonly float[] initialHiddenGradient = new float[Batch * Hidden];
    private readonly float[] initialCellGradient = new float[Batch * Hidden];

    [Fact]
    public void Entries_GiveTheCallsNumbers()
    {
        LstmProblem problem = new(this, Batch, Length, Inputs, Hidden)
        {
            Input = Wide(input),
            InputWeight = Wide(inputWeight),
            RecurrentWeight = Wide(recurrentWeight),
            Bias = Wide(bias),
            InitialHidden = Wide(initialHidden),
            InitialCell = Wide(initialCell),
        };
        problem.Forward();
        problem.Backward([.. outputGradient]);

        Run(BackendRegistry.Cpu);

        Require("output", problem.Output, output);
        Require("gates", problem.Gates, gates);
        Require("cells", problem.Cells, cells);
        Require("inputGradient", problem.InputGradient, inputGradient);
        Require("inputWeightGradient", problem.InputWeightGradient, inputWeightGradient);
        Require("recurrentWeightGradient",
            problem.RecurrentWeightGradient, recurrentWeightGradient);
        Require("biasGradient", problem.BiasGradient, biasGradient);
        Require("initialHiddenGradient", problem.InitialHiddenGradient, initialHiddenGradient);
        Require("initialCellGradient", problem.InitialCellGradient, initialCellGradient);

        static void Require(string name, TestBuffer expected, float[] actual) =>
            Numbers.Close(expected.Values, [.. actual], Tolerance, name);
    }

    [Fact]
    public void Entries_AllocateNothing() =>
        Assert.Equal(0, ManagedAllocations.Least(() => Run(BackendRegistry.Cpu), runs: 5));

    private void Run(Backend backend)
    {
        LstmParameters<float> parameters = new()
        {
            InputWeight = inputWeight, RecurrentWeight = recurrentWeight, Bias = bias,
        };
        LstmState<float> initial = new() { Hidden = initialHidden, Cell = initialCell };
        LstmResults<float> results = new() { Output = output, Gates = gates, Cells = cells };
        Kernels.Lstm.Forward(input, parameters, initial, Sizes, results, backend);
        LstmGradients<float> gradients = new()
        {
            Input = inputGradient,
            InputWeight = inputWeightGradient,
            RecurrentWeight = recurrentWeightGradient,
            Bias = biasGradient,
            InitialHidden = initialHiddenGradient,
            InitialCell = initialCellGradient,
        };
        Kernels.Lstm.Backward(
            input, parameters, initial, results, outputGradient, Sizes, gradients, backend);
    }

    private TestBuffer Wide(float[] values) => Real([.. values]);

    private static float[] Floats(int seed, int count) =>
        [.. Numbers.Normal(seed, count).Select(x => (float)x)];
}
