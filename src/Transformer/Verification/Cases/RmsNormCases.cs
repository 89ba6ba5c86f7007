using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Verification.Unfused;

namespace Transformer.Verification.Cases;

/// <summary>Cases of <see cref="RmsNormForward"/> and <see cref="RmsNormBackward"/>.</summary>
internal static class RmsNormCases
{
    private static readonly (int Rows, int Width)[] Shapes =
    [
        (1, 1), (1, 2), (3, 15), (5, 16), (2, 17), (16, 31), (17, 33), (31, 63), (4, 64),
        (33, 65), (7, 97), (65, 128), (13, 251), (3, 1031), (251, 32), (2, 9001), (0, 16),
    ];

    public static IEnumerable<ParityCase> All()
    {
        for (int i = 0; i < Shapes.Length; i++)
        {
            Spec spec = new(Shapes[i].Rows, Shapes[i].Width)
            {
                Residual = i % 2 == 1,
                Weighted = i % 5 != 4,
                Statistics = i % 3 != 2,
            };
            foreach (ParityCase single in Both(spec, i is 4 or 6 or 9)) yield return single;
        }

        Spec edge = new(6, 37) { Residual = true };
        foreach (ParityCase single in Both(edge with { InPlace = true }, quick: true))
            yield return single;
        yield return ForwardCase(edge with { SumInPlace = true }, quick: false);
        yield return ForwardCase(edge with { Residual = false, InPlace = true }, quick: false);
        yield return ForwardCase(new(9, 200) { Size = 10000 }, quick: true);
        yield return ForwardCase(new(5, 80) { Epsilon = 0.5 }, quick: false);
        yield return ForwardCase(new(5, 80) { Epsilon = 0 }, quick: false);
        yield return BackwardCase(new(6, 40) { Omit = true }, quick: false);
    }

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        Spec spec = new(size.Rows, size.Width) { Residual = true };
        double elements = (double)spec.Rows * spec.Width;
        // Residual 1, square and sum 2, normalising 1, weight 1; backward with x̂ again.
        yield return new BenchCase<RmsNormForward>(spec.Name,
            new(5 * elements, 16 * elements), m => Forward(m, spec), UnfusedRows.RmsNorm);
        yield return new BenchCase<RmsNormBackward>(
            spec.Name, new(10 * elements, 16 * elements), m => Backward(m, spec));
    }

    internal static RmsNormForward Forward(CaseMemory memory, Spec spec)
    {
        long count = (long)spec.Rows * spec.Width;
        double[] values = memory.Normal("input", count, 0, spec.Size);
        BufferView input = spec.InPlace
            ? memory.Updated("input", values) : memory.Input("input", values);
        BufferView residual = !spec.Residual ? default
            : spec.SumInPlace ? memory.Updated("residual", count)
            : memory.Input("residual", count);
        return new()
        {
            Input = input,
            Residual = residual,
            Weight = spec.Weighted ? memory.Input("weight", spec.Width) : default,
            Sum = spec.SumInPlace ? residual
                : spec.Residual ? memory.Output("sum", count) : default,
            Output = spec.InPlace ? input : memory.Output("output", count),
            InverseRms = spec.Statistics
                ? memory.Output("inverseRms", spec.Rows, Statistic(spec)) : default,
            Rows = spec.Rows,
            Width = spec.Width,
            Epsilon = spec.Epsilon,
        };
    }

    internal static RmsNormBackward Backward(CaseMemory memory, Spec spec)
    {
        long count = (long)spec.Rows * spec.Width;
        Spec keeping = spec with { Statistics = true, InPlace = false, Residual = false };
        IReadOnlyDictionary<string, double[]> forward =
            memory.Prepare("forward", m => Forward(m, keeping));
        // A row of one element is ±1 whatever the input: the gradient's terms, of order 1, cancel
        // all but entirely, and the error is theirs.
        OutputRule rule = new() { Floor = spec.Width == 1 ? 1 : 0 };
        BufferView outputGradient = spec.InPlace
            ? memory.Updated("outputGradient", count) : memory.Input("outputGradient", count);
        return new()
        {
            Sum = memory.Input("input", memory.Normal("input", count, 0, spec.Size)),
            Weight = spec.Weighted ? memory.Input("weight", spec.Width) : default,
            InverseRms = memory.Statistic("inverseRms", forward["inverseRms"]),
            OutputGradient = outputGradient,
            SumGradient = spec.Residual ? memory.Input("sumGradient", count) : default,
            InputGradient =
                spec.InPlace ? outputGradient : memory.Output("inputGradient", count, rule),
            WeightGradient = spec.Weighted && !spec.Omit
                ? memory.Updated("weightGradient", spec.Width) : default,
            Rows = spec.Rows,
            Width = spec.Width,
        };
    }

    // Of the size that it has, which is small where the inputs are large.
    private static OutputRule Statistic(Spec spec) =>
        new() { Statistic = true, Floor = 0.01 / spec.Size };

    private static IEnumerable<ParityCase> Both(Spec spec, bool quick) =>
        [ForwardCase(spec, quick), BackwardCase(spec, quick)];

    private static ParityCase<RmsNormForward> ForwardCase(Spec spec, bool quick) =>
        new(spec.Name, Tolerance.Sum(spec.Width), m => Forward(m, spec), quick);

    private static ParityCase<RmsNormBackward> BackwardCase(Spec spec, bool quick) =>
        new(spec.Name, Tolerance.Sum(Math.Max(spec.Width, spec.Rows), chained: 2),
            m => Backward(m, spec), quick);

    internal sealed record Spec(int Rows, int Width)
    {
        public bool Residual { get; init; }

        public bool Weighted { get; init; } = true;

        public bool Statistics { get; init; } = true;

        public bool InPlace { get; init; }

        public bool SumInPlace { get; init; }

        public bool Omit { get; init; }

        /// <summary>Standard deviation of the inputs.</summary>
        public double Size { get; init; } = 1;

        public double? Epsilon { get; init; }

        public string Name => FormattableString.Invariant($"[{Rows}, {Width}]") +
            (Residual ? " residual" : "") + (Weighted ? "" : " no weight") +
            (Statistics ? "" : " no statistics") + (InPlace ? " in place" : "") +
            (SumInPlace ? " sum in place" : "") + (Omit ? " input gradient only" : "") +
            (Size == 1 ? "" : FormattableString.Invariant($" size {Size}")) +
            (Epsilon is null ? "" : FormattableString.Invariant($" epsilon {Epsilon}"));
    }
}
