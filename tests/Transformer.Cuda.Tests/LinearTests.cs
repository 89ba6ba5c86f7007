using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Cuda.GeluFeedForward;
using Transformer.Cuda.Memory;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Verification;

namespace Transformer.Cuda.Tests;

/// <summary>Shapes that the parity table lacks: large tiles in every product, products whose inner
/// dimension is split over blocks, in every element type; every second on unaligned buffers.
/// </summary>
public sealed class LinearTests
{
    private static readonly (int Rows, int Inputs, int Outputs)[] Shapes =
    [
        (150, 200, 304), // large tiles
        (600, 40, 52), // the weight gradient is split
        (20, 704, 24), // the forward product is
        (24, 36, 720), // the input gradient is
        (131, 197, 67), // large tiles of unaligned rows
    ];

    [SkippableFact]
    public void LinearForwardMatchesReference() => Check(Linear(), OpDirection.Forward);

    [SkippableFact]
    public void LinearBackwardMatchesReference() => Check(Linear(), OpDirection.Backward);

    [SkippableFact]
    public void FeedForwardBackwardMatchesReference() =>
        Check(FeedForward(), OpDirection.Backward);

    [SkippableFact]
    public void FeedForwardMatchesReference() => Check(FeedForward(), OpDirection.Forward);

    [SkippableFact]
    public void FeedForwardMatchesReferenceInPieces()
    {
        EmulatedDevice.Require();
        Pieces pieces = new();
        Check(FeedForward(), OpDirection.Forward, pieces);
    }

    [SkippableFact]
    public void LaunchesAllocateNothing()
    {
        CudaBackend backend = EmulatedDevice.Require();
        using MemoryBlock block = backend.Memory.Allocate(4 * 4096);
        BufferView Matrix(int index) =>
            new(block.Address + (index * 4096), 1024, DType.Float32);
        LinearForward forward = new()
        {
            Input = Matrix(0),
            Weight = Matrix(1),
            Output = Matrix(2),
            Rows = 32,
            InputFeatures = 32,
            OutputFeatures = 32,
        };
        LinearBackward backward = new()
        {
            Input = Matrix(0),
            Weight = Matrix(1),
            OutputGradient = Matrix(2),
            InputGradient = Matrix(3),
            Rows = 32,
            InputFeatures = 32,
            OutputFeatures = 32,
        };
        long least = ManagedAllocations.Least(
            () =>
            {
                backend.Run(in forward);
                backend.Run(in backward);
            },
            warmUp: 1);
        Assert.Equal(0, least);
        backend.Synchronize();
    }

    private static void Check(
        IEnumerable<ParityCase> cases, OpDirection direction, Backend? other = null)
    {
        Backend backend = other ?? EmulatedDevice.Require();
        List<ParityCase> own = [.. cases.Where(c => c.Direction == direction)];
        HashSet<string> names = [.. own.Select(c => c.Name)];
        List<ParityCase> all = [.. ParityCases.Select([own[0].Op], quick: false, own)
            .Where(c => c.Direction == direction && names.Contains(c.Name))];
        Assert.Equal(3 * own.Count, all.Count); // in three element types
        Assert.All(all, parity =>
        {
            ParityResult result = parity.Run(backend);
            Assert.True(result.Passed, result.ToString());
        });
    }

    private static IEnumerable<ParityCase> Linear()
    {
        foreach ((int rows, int inputs, int outputs) in Shapes)
        {
            string name = $"[{rows}, {inputs}] to {outputs} on a device";
            ParityCase forward = new ParityCase<LinearForward>(name, Tolerance.Sum(inputs),
                m => Forward(m, rows, inputs, outputs, Activation.Gelu)) { SixteenBit = true };
            ParityCase backward = new ParityCase<LinearBackward>(
                name, Tolerance.Sum(Math.Max(rows, outputs)),
                m => Backward(m, rows, inputs, outputs, Activation.GeluTanh))
            { SixteenBit = true };
            yield return forward;
            yield return backward;
        }
    }

    private static IEnumerable<ParityCase> FeedForward()
    {
        // In one the first backward product is split.
        foreach ((int rows, int width, int hidden, int outputs) in
            ((int, int, int, int)[])[(129, 8, 16, 8), (20, 24, 40, 704), (140, 68, 132, 68)])
        {
            string name = $"[{rows}, {width}] to {hidden} to {outputs} on a device";
            yield return new ParityCase<GeluFeedForwardForward>(
                name, Tolerance.Sum(Math.Max(width, hidden), chained: 2),
                m => FeedForwardCall(m, rows, width, hidden, outputs))
            {
                SixteenBit = true,
            };
            yield return new ParityCase<GeluFeedForwardBackward>(
                name, Tolerance.Sum(Math.Max(Math.Max(rows, hidden), outputs), chained: 2),
                m => FeedForwardBackwardCall(m, rows, width, hidden, outputs))
            {
                SixteenBit = true,
            };
        }
    }

    private static double[] Weight(CaseMemory memory, string name, int outputs, int inputs) =>
        memory.Normal(name, (long)outputs * inputs, 0, 1 / Math.Sqrt(inputs));

    internal static LinearForward Forward(
        CaseMemory memory, int rows, int inputs, int outputs, Activation activation) => new()
        {
            Input = memory.Input("input", (long)rows * inputs),
            Weight = memory.Input("weight", Weight(memory, "weight", outputs, inputs)),
            Bias = memory.Input("bias", outputs),
            Output = memory.Output("output", (long)rows * outputs),
            PreActivation = memory.Output("preActivation", (long)rows * outputs),
            Rows = rows,
            InputFeatures = inputs,
            OutputFeatures = outputs,
            Activation = activation,
        };

    internal static LinearBackward Backward(
        CaseMemory memory, int rows, int inputs, int outputs, Activation activation) => new()
        {
            Input = memory.Input("input", (long)rows * inputs),
            Weight = memory.Input("weight", Weight(memory, "weight", outputs, inputs)),
            PreActivation = memory.Input("preActivation", (long)rows * outputs),
            OutputGradient = memory.Input("outputGradient", (long)rows * outputs),
            InputGradient = memory.Output("inputGradient", (long)rows * inputs),
            WeightGradient = memory.Updated("weightGradient", (long)outputs * inputs),
            BiasGradient = memory.Updated("biasGradient", outputs),
            Rows = rows,
            InputFeatures = inputs,
            OutputFeatures = outputs,
            Activation = activation,
        };

    private static GeluFeedForwardForward FeedForwardCall(
        CaseMemory memory, int rows, int width, int hidden, int outputs) => new()
        {
            Input = memory.Input("input", (long)rows * width),
            Weight1 = memory.Input("weight1", Weight(memory, "weight1", hidden, width)),
            Bias1 = memory.Input("bias1", hidden),
            Weight2 = memory.Input("weight2", Weight(memory, "weight2", outputs, hidden)),
            Bias2 = memory.Input("bias2", outputs),
            Output = memory.Output("output", (long)rows * outputs),
            PreActivation = memory.Output("preActivation", (long)rows * hidden),
            Rows = rows,
            Width = width,
            Hidden = hidden,
            OutputWidth = outputs,
            Activation = Activation.GeluTanh,
        };

    private static GeluFeedForwardBackward FeedForwardBackwardCall(
        CaseMemory memory, int rows, int width, int hidden, int outputs) => new()
        {
            Input = memory.Input("input", (long)rows * width),
            Weight1 = memory.Input("weight1", Weight(memory, "weight1", hidden, width)),
            Weight2 = memory.Input("weight2", Weight(memory, "weight2", outputs, hidden)),
            PreActivation = memory.Input("preActivation", (long)rows * hidden),
            OutputGradient = memory.Input("outputGradient", (long)rows * outputs),
            InputGradient = memory.Output("inputGradient", (long)rows * width),
            Weight1Gradient = memory.Updated("weight1Gradient", (long)hidden * width),
            Bias1Gradient = memory.Updated("bias1Gradient", hidden),
            Weight2Gradient = memory.Updated("weight2Gradient", (long)outputs * hidden),
            Bias2Gradient = memory.Updated("bias2Gradient", outputs),
            Rows = rows,
            Width = width,
            Hidden = hidden,
            OutputWidth = outputs,
            Activation = Activation.Gelu,
        };

    /// <summary>The feed-forward network in pieces of 64 rows.</summary>
    private sealed class Pieces : Backend
    {
        private readonly CudaQueue queue = EmulatedDevice.Require().Queue;

        public Pieces()
        {
            Memory = new CudaMemory(queue);
            Register(new GeluFeedForwardForwardCuda(queue, hiddenBytes: 1, leastRows: 64));
        }

        public override string Name => "pieces";

        public override string Device => "emulation";

        public override int Priority => -1;

        public override BackendMemory Memory { get; }

        public override void Synchronize() => queue.Stream.Synchronize();
    }
}
