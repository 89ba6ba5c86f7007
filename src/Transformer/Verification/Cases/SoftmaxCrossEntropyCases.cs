using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Verification.Unfused;

namespace Transformer.Verification.Cases;

/// <summary>Cases of <see cref="SoftmaxCrossEntropyForward"/> and
/// <see cref="SoftmaxCrossEntropyBackward"/>.</summary>
internal static class SoftmaxCrossEntropyCases
{
    private const int Ignored = -100;

    private static readonly (int Rows, int Classes)[] Shapes =
    [
        (1, 1), (1, 2), (3, 15), (5, 16), (16, 17), (17, 31), (4, 33), (31, 63), (7, 64), (33, 65),
        (65, 97), (13, 251), (9, 1031), (0, 16),
    ];

    public static IEnumerable<ParityCase> All()
    {
        for (int i = 0; i < Shapes.Length; i++)
        {
            Spec spec = new(Shapes[i].Rows, Shapes[i].Classes)
            {
                Smoothing = i % 2 == 0 ? 0 : 0.1f,
                Ignores = i % 3 == 2,
                Reduction = i % 4 == 3 ? LossReduction.Sum : LossReduction.Mean,
                RowLosses = i % 5 != 4,
            };
            foreach (ParityCase single in Both(spec, i is 4 or 5 or 9)) yield return single;
        }

        Spec edge = new(11, 45) { Smoothing = 0.1f };
        Spec[] others =
        [
            edge with { LargeLogits = true }, edge with { IgnoresAll = true },
            edge with { InPlace = true, Ignores = true }, edge with { Ignores = true },
            edge with { ScaledGradient = true, Reduction = LossReduction.Sum },
            edge with { Weighted = true, Ignores = true, Smoothing = 0 },
            edge with { Weighted = true, LargeLogits = true, Reduction = LossReduction.Sum },
            new(7, 65) { Weighted = true, Smoothing = 0.3f, Ignores = true },
        ];
        foreach (Spec spec in others)
        {
            foreach (ParityCase single in Both(spec, quick: true)) yield return single;
        }
    }

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        Spec spec = new(size.Rows, size.Vocabulary);
        double elements = (double)spec.Rows * spec.Classes;
        // Maximum, difference, exponential, sum; backward difference, exponential, two products.
        yield return new BenchCase<SoftmaxCrossEntropyForward>(spec.Name,
            new(4 * elements, 4 * elements), m => Forward(m, spec), UnfusedRows.CrossEntropy);
        yield return new BenchCase<SoftmaxCrossEntropyBackward>(
            spec.Name, new(4 * elements, 8 * elements), m => Backward(m, spec));
    }

    internal static SoftmaxCrossEntropyForward Forward(CaseMemory memory, Spec spec)
    {
        int[] labels = Labels(memory, spec);
        return new()
        {
            Logits = memory.Input("logits", Logits(memory, spec)),
            Labels = memory.Input("labels", labels),
            ClassWeights = Weights(memory, spec),
            RowLosses = spec.RowLosses ? memory.Output("rowLosses", spec.Rows, new()
            {
                // A difference of numbers of order 1 and more.
                Floor = 1,
                Statistic = true,
                ExactZero = row => labels[row] == Ignored,
            }) : default,
            LogSumExp = memory.Output(
                "logSumExp", spec.Rows, new() { Floor = 1, Statistic = true }),
            Loss = memory.Output("loss", 1, new() { Floor = 1, Statistic = true }),
            Rows = spec.Rows,
            Classes = spec.Classes,
            LabelSmoothing = spec.Smoothing,
            IgnoreIndex = spec.Ignores || spec.IgnoresAll ? Ignored : null,
            Reduction = spec.Reduction,
        };
    }

    internal static SoftmaxCrossEntropyBackward Backward(CaseMemory memory, Spec spec)
    {
        IReadOnlyDictionary<string, double[]> forward =
            memory.Prepare("forward", m => Forward(m, spec with { InPlace = false }));
        int[] labels = Labels(memory, spec);
        int counted = Math.Max(1, labels.Count(label => label != Ignored));
        double weight = spec.Reduction == LossReduction.Sum ? 1 : 1.0 / counted;
        OutputRule rule = new()
        {
            // p − target of a row: 1 at the label, its norm spread over the classes.
            Floor = weight / Math.Sqrt(spec.Classes),
            ExactZero = index => labels[index / spec.Classes] == Ignored,
        };
        double[] values = Logits(memory, spec);
        BufferView logits = spec.InPlace
            ? memory.Updated("logits", values, rule) : memory.Input("logits", values);
        return new()
        {
            Logits = logits,
            Labels = memory.Input("labels", labels),
            ClassWeights = Weights(memory, spec),
            LogSumExp = memory.Statistic("logSumExp", forward["logSumExp"]),
            LossGradient = spec.ScaledGradient ? memory.Statistic("lossGradient", [-1.7]) : default,
            LogitsGradient = spec.InPlace
                ? logits : memory.Output("logitsGradient", (long)spec.Rows * spec.Classes, rule),
            Rows = spec.Rows,
            Classes = spec.Classes,
            LabelSmoothing = spec.Smoothing,
            IgnoreIndex = spec.Ignores || spec.IgnoresAll ? Ignored : null,
            Reduction = spec.Reduction,
        };
    }

    private static IEnumerable<ParityCase> Both(Spec spec, bool quick)
    {
        yield return new ParityCase<SoftmaxCrossEntropyForward>(
            spec.Name, Tolerance.Sum(spec.Classes), m => Forward(m, spec), quick);
        Tolerance backward = Tolerance.Elementwise(8);
        yield return new ParityCase<SoftmaxCrossEntropyBackward>(
            spec.Name, spec.LargeLogits ? backward.Plus(30000 * Tolerance.SingleUlp,
                "weights are exp(logit − log-sum-exp), numbers up to 30000 rounded to binary32")
                : backward, m => Backward(m, spec), quick);
    }

    private static BufferView Weights(CaseMemory memory, Spec spec) => spec.Weighted
        ? memory.Input("classWeights", [.. memory.Normal("classWeights", spec.Classes)
            .Select(Math.Abs)])
        : default;

    // Large logits are multiples of 1/2: exact in binary32.
    private static double[] Logits(CaseMemory memory, Spec spec)
    {
        double[] logits = memory.Normal("logits", (long)spec.Rows * spec.Classes, 0, 2);
        for (int i = 0; spec.LargeLogits && i < logits.Length; i++)
        {
            logits[i] = Math.Round(logits[i] * 10000) / 2;
        }

        return logits;
    }

    private static int[] Labels(CaseMemory memory, Spec spec)
    {
        int[] labels = memory.Integers("labels", spec.Rows, spec.Classes);
        for (int row = 0; row < labels.Length; row++)
        {
            if (spec.IgnoresAll || (spec.Ignores && row % 3 == 1)) labels[row] = Ignored;
        }

        return labels;
    }

    internal sealed record Spec(int Rows, int Classes)
    {
        public float Smoothing { get; init; }

        public bool Ignores { get; init; }

        public bool IgnoresAll { get; init; }

        public LossReduction Reduction { get; init; }

        public bool RowLosses { get; init; } = true;

        public bool Weighted { get; init; }

        public bool LargeLogits { get; init; }

        public bool InPlace { get; init; }

        public bool ScaledGradient { get; init; }

        public string Name => FormattableString.Invariant($"[{Rows}, {Classes}] {Reduction}") +
            (Smoothing == 0 ? "" : " smoothing") + (Ignores ? " ignores some" : "") +
            (Weighted ? " weighted" : "") + (IgnoresAll ? " ignores all" : "") +
            (RowLosses ? "" : " no row losses") +
            (LargeLogits ? " large logits" : "") + (InPlace ? " in place" : "") +
            (ScaledGradient ? " scaled gradient" : "");
    }
}
