using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Verification.Unfused;

namespace Transformer.Verification.Cases;

/// <summary>Cases of <see cref="LinearForward"/> and <see cref="LinearBackward"/>.</summary>
internal static class LinearCases
{
    // Rows, input features, output features: around vector widths (4, 8, 16), register tiles and
    // cache blocks.
    private static readonly (int Rows, int Inputs, int Outputs)[] Shapes =
    [
        (1, 1, 1), (1, 16, 17), (15, 31, 33), (16, 64, 64), (17, 65, 15), (33, 97, 63),
        (31, 251, 65), (64, 63, 97), (7, 1031, 5), (251, 33, 31), (97, 128, 251), (2, 17, 1031),
        (0, 16, 16),
    ];

    public static IEnumerable<ParityCase> All()
    {
        for (int i = 0; i < Shapes.Length; i++)
        {
            Spec plain = new(Shapes[i].Rows, Shapes[i].Inputs, Shapes[i].Outputs,
                (Activation)(i % 6)) { Bias = i % 3 != 1, KeepsPreActivation = i % 2 == 0 };
            yield return ForwardCase(plain, quick: i is 2 or 3 or 4 or 5);
            yield return BackwardCase(plain, quick: i is 2 or 3 or 4 or 5);
        }

        foreach (Activation activation in Enum.GetValues<Activation>())
        {
            Spec saturated = new(19, 47, 50, activation) { Bias = true, Amplitude = 30 };
            yield return ForwardCase(saturated, quick: true);
            yield return BackwardCase(saturated, quick: true);
        }

        yield return ForwardCase(new(9, 40, 21, Activation.None) { Infinity = true }, quick: true);
        yield return BackwardCase(
            new(17, 33, 40, Activation.Gelu) { Omit = Gradient.Input }, quick: false);
        yield return BackwardCase(
            new(17, 33, 40, Activation.None) { Omit = Gradient.Weight }, quick: false);
        yield return BackwardCase(
            new(17, 33, 40, Activation.Relu) { Omit = Gradient.Bias }, quick: false);
    }

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        Spec[] specs =
        [
            new(size.Rows, size.Width, size.Width, Activation.None),
            new(size.Rows, size.Width, size.Hidden, Activation.GeluTanh),
            new(1, size.Width, size.Hidden, Activation.None),
        ];
        foreach (Spec spec in specs)
        {
            double pairs = (double)spec.Rows * spec.Inputs * spec.Outputs;
            double input = (double)spec.Rows * spec.Inputs;
            double output = (double)spec.Rows * spec.Outputs;
            double weight = (double)spec.Inputs * spec.Outputs;
            yield return new BenchCase<LinearForward>(spec.Name,
                new(2 * pairs, 4 * (input + weight + output)), m => Forward(m, spec),
                UnfusedLinear.Forward)
        {
            SixteenBit = true,
        };
            double kept = spec.Activation == Activation.None ? 0 : output;
            yield return new BenchCase<LinearBackward>(spec.Name,
                new(4 * pairs, 4 * ((2 * input) + (3 * weight) + output + kept)),
                m => Backward(m, spec))
        {
            SixteenBit = true,
        };
        }
    }

    internal enum Gradient
    {
        None,
        Input,
        Weight,
        Bias,
    }

    internal static LinearForward Forward(CaseMemory memory, Spec spec)
    {
        (int rows, int inputs, int outputs) = (spec.Rows, spec.Inputs, spec.Outputs);
        double[] input = memory.Normal("input", (long)rows * inputs);
        if (spec.Infinity) input[inputs + 3] = double.PositiveInfinity;
        long count = (long)rows * outputs;
        return new()
        {
            Input = memory.Input("input", input),
            Weight = memory.Input("weight", Weights(memory, spec)),
            Bias = spec.Bias ? memory.Input("bias", outputs) : default,
            Output = memory.Output("output", count),
            PreActivation =
                spec.KeepsPreActivation ? memory.Output("preActivation", count) : default,
            Rows = rows,
            InputFeatures = inputs,
            OutputFeatures = outputs,
            Activation = spec.Activation,
        };
    }

    internal static LinearBackward Backward(CaseMemory memory, Spec spec)
    {
        (int rows, int inputs, int outputs) = (spec.Rows, spec.Inputs, spec.Outputs);
        BufferView preActivation = default;
        if (spec.Activation != Activation.None)
        {
            Spec keeping = spec with { KeepsPreActivation = true };
            preActivation = memory.Input("preActivation",
                memory.Prepare("forward", m => Forward(m, keeping))["preActivation"]);
        }

        return new()
        {
            Input = memory.Input("input", (long)rows * inputs),
            Weight = memory.Input("weight", Weights(memory, spec)),
            PreActivation = preActivation,
            OutputGradient = memory.Input("outputGradient", (long)rows * outputs),
            InputGradient = spec.Omit == Gradient.Input
                ? default : memory.Output("inputGradient", (long)rows * inputs),
            WeightGradient = spec.Omit == Gradient.Weight
                ? default : memory.Updated("weightGradient", (long)outputs * inputs),
            BiasGradient = spec.Bias && spec.Omit != Gradient.Bias
                ? memory.Updated("biasGradient", outputs) : default,
            Rows = rows,
            InputFeatures = inputs,
            OutputFeatures = outputs,
            Activation = spec.Activation,
        };
    }

    private static ParityCase<LinearForward> ForwardCase(Spec spec, bool quick) =>
        new ParityCase<LinearForward>(
            spec.Name, Tolerance.Sum(spec.Inputs), m => Forward(m, spec), quick);

    private static ParityCase<LinearBackward> BackwardCase(Spec spec, bool quick) =>
        new ParityCase<LinearBackward>(
            spec.Name, Tolerance.Sum(Math.Max(spec.Rows, spec.Outputs)), m => Backward(m, spec),
            quick);

    // Of variance 1/inputs, so that pre-activations are of order 1, where activations bend.
    private static double[] Weights(CaseMemory memory, Spec spec) => memory.Normal(
        "weight", (long)spec.Outputs * spec.Inputs, 0, spec.Amplitude / Math.Sqrt(spec.Inputs));

    internal sealed record Spec(int Rows, int Inputs, int Outputs, Activation Activation)
    {
        public bool Bias { get; init; } = true;

        public bool KeepsPreActivation { get; init; }

        /// <summary>Size of the pre-activations; 30 saturates every activation.</summary>
        public double Amplitude { get; init; } = 1;

        public bool Infinity { get; init; }

        public Gradient Omit { get; init; }

        public string Name => FormattableString.Invariant(
            $"[{Rows}, {Inputs}] to {Outputs} {Activation}") + (Bias ? " bias" : "") +
            (KeepsPreActivation ? " keeps pre-activation" : "") +
            (Amplitude != 1 ? " saturated" : "") + (Infinity ? " infinity" : "") +
            (Omit == Gradient.None ? "" : $" without {Omit} gradient");
    }
}
