using Transformer.Ops;

namespace Transformer.Verification.Cases;

/// <summary>Cases of <see cref="LstmForward"/> and <see cref="LstmBackward"/>.</summary>
internal static class LstmCases
{
    // Around vector widths, and around the 16 or 64 rows from which a step's weight is packed.
    private static readonly Spec[] Specs =
    [
        new(1, 1, 1, 1), new(1, 9, 16, 17), new(2, 5, 31, 33) { Initial = true },
        new(3, 4, 65, 64) { Bias = false }, new(17, 3, 15, 16) { Initial = true },
        new(15, 2, 33, 63) { Keeps = false }, new(65, 3, 20, 31) { Initial = true },
        new(1, 33, 48, 48) { Initial = true }, new(2, 3, 251, 97) { Bias = false },
        new(4, 6, 16, 8) { Amplitude = 30, Initial = true }, new(131, 2, 8, 20), new(0, 4, 5, 6),
        new(3, 0, 5, 6) { Initial = true },
    ];

    public static IEnumerable<ParityCase> All()
    {
        for (int i = 0; i < Specs.Length; i++)
        {
            Spec spec = Specs[i];
            bool quick = i is 1 or 2 or 3 or 4 or 6;
            // A step's sums feed the next one's.
            int chained = Math.Max(1, spec.Length);
            yield return new ParityCase<LstmForward>(spec.Name,
                Tolerance.Sum(spec.Inputs + spec.Hidden, chained), m => Forward(m, spec), quick)
            {
                SixteenBitRoundings = 2,
            };
            yield return new ParityCase<LstmBackward>(spec.Name,
                Tolerance.Sum(Math.Max(spec.Batch * spec.Length, 4 * spec.Hidden), chained),
                m => Backward(m, spec), quick)
            {
                SixteenBitRoundings = 2,
            };
        }
    }

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        Spec spec = new(1, size.Rows, size.Width, size.Width);
        double rows = spec.Length;
        double weights = 8.0 * spec.Hidden * spec.Hidden;
        double state = rows * spec.Hidden;
        yield return new BenchCase<LstmForward>(
            spec.Name, new(2 * rows * weights, 4 * (weights + (7 * state))),
            m => Forward(m, spec));
        yield return new BenchCase<LstmBackward>(
            spec.Name, new(4 * rows * weights, 4 * ((3 * weights) + (9 * state))),
            m => Backward(m, spec));
    }

    internal static LstmForward Forward(CaseMemory memory, Spec spec)
    {
        long states = (long)spec.Batch * spec.Length * spec.Hidden;
        return new()
        {
            Input = memory.Input("input", (long)spec.Batch * spec.Length * spec.Inputs),
            InputWeight = memory.Input("inputWeight", InputWeight(memory, spec)),
            RecurrentWeight = memory.Input("recurrentWeight", RecurrentWeight(memory, spec)),
            Bias = spec.Bias ? memory.Input("bias", 4L * spec.Hidden) : default,
            InitialHidden = spec.Initial
                ? memory.Input("initialHidden", (long)spec.Batch * spec.Hidden) : default,
            InitialCell = spec.Initial
                ? memory.Input("initialCell", (long)spec.Batch * spec.Hidden) : default,
            Output = memory.Output("output", states),
            Gates = spec.Keeps ? memory.Output("gates", 4 * states) : default,
            Cells = spec.Keeps ? memory.Output("cells", states) : default,
            Batch = spec.Batch,
            Length = spec.Length,
            InputFeatures = spec.Inputs,
            Hidden = spec.Hidden,
        };
    }

    internal static LstmBackward Backward(CaseMemory memory, Spec spec)
    {
        Spec keeping = spec with { Keeps = true };
        IReadOnlyDictionary<string, double[]> forward =
            memory.Prepare("forward", m => Forward(m, keeping));
        long inputs = (long)spec.Batch * spec.Length * spec.Inputs;
        long states = (long)spec.Batch * spec.Length * spec.Hidden;
        long state = (long)spec.Batch * spec.Hidden;
        return new()
        {
            Input = memory.Input("input", inputs),
            InputWeight = memory.Input("inputWeight", InputWeight(memory, spec)),
            RecurrentWeight = memory.Input("recurrentWeight", RecurrentWeight(memory, spec)),
            InitialHidden = spec.Initial ? memory.Input("initialHidden", state) : default,
            InitialCell = spec.Initial ? memory.Input("initialCell", state) : default,
            Output = memory.Input("output", forward["output"]),
            Gates = memory.Input("gates", forward["gates"]),
            Cells = memory.Input("cells", forward["cells"]),
            OutputGradient = memory.Input("outputGradient", states),
            InputGradient = memory.Output("inputGradient", inputs),
            InputWeightGradient =
                memory.Updated("inputWeightGradient", 4L * spec.Hidden * spec.Inputs),
            RecurrentWeightGradient =
                memory.Updated("recurrentWeightGradient", 4L * spec.Hidden * spec.Hidden),
            BiasGradient = spec.Bias ? memory.Updated("biasGradient", 4L * spec.Hidden) : default,
            InitialHiddenGradient =
                spec.Initial ? memory.Output("initialHiddenGradient", state) : default,
            InitialCellGradient =
                spec.Initial ? memory.Output("initialCellGradient", state) : default,
            Batch = spec.Batch,
            Length = spec.Length,
            InputFeatures = spec.Inputs,
            Hidden = spec.Hidden,
        };
    }

    // Sums of order 1, where gates bend; 30 saturates them.
    private static double[] InputWeight(CaseMemory memory, Spec spec) => memory.Normal(
        "inputWeight", 4L * spec.Hidden * spec.Inputs, 0, spec.Amplitude / Math.Sqrt(spec.Inputs));

    private static double[] RecurrentWeight(CaseMemory memory, Spec spec) => memory.Normal(
        "recurrentWeight", 4L * spec.Hidden * spec.Hidden, 0, 1 / Math.Sqrt(spec.Hidden));

    internal sealed record Spec(int Batch, int Length, int Inputs, int Hidden)
    {
        public bool Bias { get; init; } = true;

        public bool Initial { get; init; }

        public bool Keeps { get; init; } = true;

        public double Amplitude { get; init; } = 1;

        public string Name => FormattableString.Invariant(
            $"[{Batch}, {Length}, {Inputs}] to {Hidden}") + (Bias ? " bias" : "") +
            (Initial ? " initial state" : "") + (Keeps ? "" : " output alone") +
            (Amplitude == 1 ? "" : " saturated");
    }
}
