using Transformer.Ops;
using Transformer.Verification.Unfused;

namespace Transformer.Verification.Cases;

/// <summary>Cases of <see cref="GeluFeedForwardForward"/> and
/// <see cref="GeluFeedForwardBackward"/>.</summary>
internal static class GeluFeedForwardCases
{
    private static readonly (int Rows, int Width, int Hidden, int OutputWidth)[] Shapes =
    [
        (1, 1, 1, 1), (1, 16, 31, 17), (15, 17, 33, 15), (16, 32, 128, 32), (17, 63, 65, 64),
        (33, 31, 97, 65), (5, 97, 251, 33), (64, 64, 256, 64), (131, 48, 63, 48), (2, 15, 1031, 7),
        (0, 8, 16, 8),
    ];

    public static IEnumerable<ParityCase> All()
    {
        for (int i = 0; i < Shapes.Length; i++)
        {
            Activation activation = (i % 5) switch
            {
                0 => Activation.Gelu,
                1 => Activation.GeluTanh,
                2 => Activation.Tanh,
                3 => Activation.Silu,
                _ => Activation.Relu,
            };
            Spec spec = new(Shapes[i].Rows, Shapes[i].Width, Shapes[i].Hidden,
                Shapes[i].OutputWidth, activation)
            {
                Bias = i % 4 != 3,
                KeepsPreActivation = i % 2 == 0,
            };
            bool quick = i is 2 or 3 or 4 or 5;
            yield return new ParityCase<GeluFeedForwardForward>(spec.Name,
                Tolerance.Sum(Math.Max(spec.Width, spec.Hidden), chained: 2),
                m => Forward(m, spec), quick);
            yield return new ParityCase<GeluFeedForwardBackward>(spec.Name,
                Tolerance.Sum(Math.Max(Math.Max(spec.Rows, spec.Hidden), spec.OutputWidth),
                    chained: 2), m => Backward(m, spec), quick);
        }
    }

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        Spec spec = new(size.Rows, size.Width, size.Hidden, size.Width, Activation.GeluTanh);
        double pairs = 2.0 * spec.Rows * spec.Width * spec.Hidden;
        double weights = 2.0 * spec.Width * spec.Hidden;
        double ends = (double)spec.Rows * spec.Width;
        double hidden = (double)spec.Rows * spec.Hidden;
        yield return new BenchCase<GeluFeedForwardForward>(spec.Name,
            new(2 * pairs, 4 * ((2 * ends) + weights)), m => Forward(m, spec),
            UnfusedLinear.FeedForward)
        {
            SixteenBit = true,
        };
        yield return new BenchCase<GeluFeedForwardBackward>(spec.Name,
            new(4 * pairs, 4 * ((3 * ends) + (3 * weights) + hidden)), m => Backward(m, spec))
        {
            SixteenBit = true,
        };
    }

    internal static GeluFeedForwardForward Forward(CaseMemory memory, Spec spec) => new()
    {
        Input = memory.Input("input", (long)spec.Rows * spec.Width),
        Weight1 = memory.Input("weight1", Weights(memory, "weight1", spec.Hidden, spec.Width)),
        Bias1 = spec.Bias ? memory.Input("bias1", spec.Hidden) : default,
        Weight2 =
            memory.Input("weight2", Weights(memory, "weight2", spec.OutputWidth, spec.Hidden)),
        Bias2 = spec.Bias ? memory.Input("bias2", spec.OutputWidth) : default,
        Output = memory.Output("output", (long)spec.Rows * spec.OutputWidth),
        PreActivation = spec.KeepsPreActivation
            ? memory.Output("preActivation", (long)spec.Rows * spec.Hidden) : default,
        Rows = spec.Rows,
        Width = spec.Width,
        Hidden = spec.Hidden,
        OutputWidth = spec.OutputWidth,
        Activation = spec.Activation,
    };

    internal static GeluFeedForwardBackward Backward(CaseMemory memory, Spec spec)
    {
        Spec keeping = spec with { KeepsPreActivation = true };
        double[] preActivation =
            memory.Prepare("forward", m => Forward(m, keeping))["preActivation"];
        return new()
        {
            Input = memory.Input("input", (long)spec.Rows * spec.Width),
            Weight1 = memory.Input("weight1", Weights(memory, "weight1", spec.Hidden, spec.Width)),
            Weight2 =
                memory.Input("weight2", Weights(memory, "weight2", spec.OutputWidth, spec.Hidden)),
            PreActivation = memory.Input("preActivation", preActivation),
            OutputGradient =
                memory.Input("outputGradient", (long)spec.Rows * spec.OutputWidth),
            InputGradient = memory.Output("inputGradient", (long)spec.Rows * spec.Width),
            Weight1Gradient =
                memory.Updated("weight1Gradient", (long)spec.Hidden * spec.Width),
            Bias1Gradient = spec.Bias ? memory.Updated("bias1Gradient", spec.Hidden) : default,
            Weight2Gradient =
                memory.Updated("weight2Gradient", (long)spec.OutputWidth * spec.Hidden),
            Bias2Gradient =
                spec.Bias ? memory.Updated("bias2Gradient", spec.OutputWidth) : default,
            Rows = spec.Rows,
            Width = spec.Width,
            Hidden = spec.Hidden,
            OutputWidth = spec.OutputWidth,
            Activation = spec.Activation,
        };
    }

    private static double[] Weights(CaseMemory memory, string name, int outputs, int inputs) =>
        memory.Normal(name, (long)outputs * inputs, 0, 1 / Math.Sqrt(inputs));

    internal sealed record Spec(
        int Rows, int Width, int Hidden, int OutputWidth, Activation Activation)
    {
        public bool Bias { get; init; } = true;

        public bool KeepsPreActivation { get; init; }

        public string Name => FormattableString.Invariant(
            $"[{Rows}, {Width}] to {Hidden} to {OutputWidth} {Activation}") +
            (Bias ? " bias" : "") + (KeepsPreActivation ? " keeps pre-activation" : "");
    }
}
