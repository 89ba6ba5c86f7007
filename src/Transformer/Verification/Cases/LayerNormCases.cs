using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Verification.Unfused;

namespace Transformer.Verification.Cases;

/// <summary>Cases of <see cref="LayerNormForward"/> and <see cref="LayerNormBackward"/>.</summary>
internal static class LayerNormCases
{
    private static readonly (int Rows, int Width)[] Shapes =
    [
        (1, 2), (3, 15), (5, 16), (2, 17), (16, 31), (17, 33), (31, 63), (4, 64), (33, 65),
        (7, 97), (65, 128), (13, 251), (3, 1031), (251, 32), (0, 16),
    ];

    public static IEnumerable<ParityCase> All()
    {
        for (int i = 0; i < Shapes.Length; i++)
        {
            Spec spec = new(Shapes[i].Rows, Shapes[i].Width)
            {
                Residual = i % 2 == 1,
                Affine = i % 5 != 4,
                Statistics = i % 3 != 2,
            };
            bool quick = i is 3 or 5 or 7 or 8;
            yield return ForwardCase(spec, quick);
            yield return BackwardCase(spec, quick);
        }

        Spec edge = new(6, 37) { Residual = true };
        yield return ForwardCase(edge with { InPlace = true }, quick: true);
        yield return BackwardCase(edge with { InPlace = true }, quick: true);
        yield return ForwardCase(edge with { SumInPlace = true }, quick: false);
        yield return ForwardCase(edge with { Residual = false, InPlace = true }, quick: false);
        yield return ForwardCase(new(9, 200) { Mean = 1000 }, quick: true);
        yield return BackwardCase(new(9, 200) { Mean = 1000 }, quick: true);
        yield return ForwardCase(new(5, 200) { Mean = 20000 }, quick: false);
        yield return ForwardCase(new(2, 9001), quick: false);
        yield return ForwardCase(new(4, 64) { Constant = 2 }, quick: true);
        yield return ForwardCase(new(5, 80) { Epsilon = 0.5 }, quick: false);
        yield return ForwardCase(new(5, 80) { Epsilon = 0 }, quick: false);
        yield return BackwardCase(new(6, 40) { Omit = true }, quick: false);
    }

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        Spec spec = new(size.Rows, size.Width) { Residual = true };
        double elements = (double)spec.Rows * spec.Width;
        // Residual 1, mean 1, variance 3, normalising 2, weight and bias 2; backward with x̂ again.
        yield return new BenchCase<LayerNormForward>(spec.Name,
            new(9 * elements, 16 * elements), m => Forward(m, spec), UnfusedRows.LayerNorm)
        {
            SixteenBit = true,
        };
        yield return new BenchCase<LayerNormBackward>(
            spec.Name, new(15 * elements, 16 * elements), m => Backward(m, spec))
        {
            SixteenBit = true,
        };
    }

    internal static LayerNormForward Forward(CaseMemory memory, Spec spec)
    {
        long count = (long)spec.Rows * spec.Width;
        BufferView input = spec.InPlace
            ? memory.Updated("input", Values(memory, spec))
            : memory.Input("input", Values(memory, spec));
        BufferView residual = !spec.Residual ? default
            : spec.SumInPlace ? memory.Updated("residual", count)
            : memory.Input("residual", count);
        return new()
        {
            Input = input,
            Residual = residual,
            Weight = spec.Affine ? memory.Input("weight", spec.Width) : default,
            Bias = spec.Affine ? memory.Input("bias", spec.Width) : default,
            Sum = spec.SumInPlace ? residual
                : spec.Residual ? memory.Output("sum", count) : default,
            Output = spec.InPlace ? input : memory.Output("output", count),
            Mean = spec.Statistics
                ? memory.Output("mean", spec.Rows, new() { Statistic = true }) : default,
            InverseStd = spec.Statistics
                ? memory.Output("inverseStd", spec.Rows, new() { Statistic = true }) : default,
            Rows = spec.Rows,
            Width = spec.Width,
            Epsilon = spec.Epsilon,
        };
    }

    internal static LayerNormBackward Backward(CaseMemory memory, Spec spec)
    {
        long count = (long)spec.Rows * spec.Width;
        Spec keeping = spec with { Statistics = true, InPlace = false, Residual = false };
        IReadOnlyDictionary<string, double[]> forward =
            memory.Prepare("forward", m => Forward(m, keeping));
        // Two normalised elements are ±1 whatever the inputs: the gradient's terms, of order 1,
        // cancel all but entirely, and the error is theirs.
        OutputRule rule = new() { Floor = spec.Width <= 2 ? 1 : 0 };
        BufferView outputGradient = spec.InPlace
            ? memory.Updated("outputGradient", count) : memory.Input("outputGradient", count);
        return new()
        {
            Sum = memory.Input("input", Values(memory, spec)),
            Weight = spec.Affine ? memory.Input("weight", spec.Width) : default,
            Mean = memory.Statistic("mean", forward["mean"]),
            InverseStd = memory.Statistic("inverseStd", forward["inverseStd"]),
            OutputGradient = outputGradient,
            SumGradient = spec.Residual ? memory.Input("sumGradient", count) : default,
            InputGradient =
                spec.InPlace ? outputGradient : memory.Output("inputGradient", count, rule),
            WeightGradient = spec.Affine && !spec.Omit
                ? memory.Updated("weightGradient", spec.Width) : default,
            BiasGradient = spec.Affine && !spec.Omit
                ? memory.Updated("biasGradient", spec.Width) : default,
            Rows = spec.Rows,
            Width = spec.Width,
        };
    }

    // A large mean takes no digits: it is subtracted exactly.
    private static ParityCase<LayerNormForward> ForwardCase(Spec spec, bool quick) =>
        new(spec.Name, Tolerance.Sum(spec.Width, chained: 2), m => Forward(m, spec), quick);

    private static ParityCase<LayerNormBackward> BackwardCase(Spec spec, bool quick) =>
        new ParityCase<LayerNormBackward>(spec.Name,
            Tolerance.Sum(Math.Max(spec.Width, spec.Rows), chained: 2), m => Backward(m, spec),
            quick);

    private static double[] Values(CaseMemory memory, Spec spec)
    {
        double[] values = memory.Normal("input", (long)spec.Rows * spec.Width, spec.Mean);
        if (spec.Constant != 0) Array.Fill(values, spec.Constant);
        return values;
    }

    internal sealed record Spec(int Rows, int Width)
    {
        public bool Residual { get; init; }

        public bool Affine { get; init; } = true;

        public bool Statistics { get; init; } = true;

        public bool InPlace { get; init; }

        public bool SumInPlace { get; init; }

        public bool Omit { get; init; }

        /// <summary>Mean of the inputs; a variance as E[x²] − E[x]² fails where it is large.
        /// </summary>
        public double Mean { get; init; }

        /// <summary>Every element, so that the variance is 0.</summary>
        public double Constant { get; init; }

        public double? Epsilon { get; init; }

        public string Name => FormattableString.Invariant($"[{Rows}, {Width}]") +
            (Residual ? " residual" : "") + (Affine ? "" : " no affine") +
            (Statistics ? "" : " no statistics") + (InPlace ? " in place" : "") +
            (SumInPlace ? " sum in place" : "") + (Omit ? " input gradient only" : "") +
            (Mean == 0 ? "" : FormattableString.Invariant($" mean {Mean}")) +
            (Constant == 0 ? "" : " constant") +
            (Epsilon is null ? "" : FormattableString.Invariant($" epsilon {Epsilon}"));
    }
}
