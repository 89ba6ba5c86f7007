using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Verification.Cases;

/// <summary>Cases of <see cref="NegativeLogLikelihoodForward"/> and
/// <see cref="NegativeLogLikelihoodBackward"/>.</summary>
internal static class NegativeLogLikelihoodCases
{
    private const int Ignored = -100;

    private static readonly (int Outer, int Classes, int Inner)[] Shapes =
    [
        (1, 1, 1), (5, 7, 1), (64, 33, 1), (3, 4, 5), (2, 9, 33), (1, 3, 5000), (0, 4, 1),
        (2, 3, 0),
    ];

    public static IEnumerable<ParityCase> All()
    {
        for (int i = 0; i < Shapes.Length; i++)
        {
            Spec spec = new(Shapes[i].Outer, Shapes[i].Classes, Shapes[i].Inner)
            {
                Weighted = i % 2 == 1,
                Ignores = i % 3 != 0,
                Reduction = i % 4 == 3 ? LossReduction.Sum : LossReduction.Mean,
                Losses = i % 3 != 2,
            };
            foreach (ParityCase single in Both(spec, i is 1 or 3 or 4)) yield return single;
        }

        Spec edge = new(4, 6, 3) { Weighted = true };
        Spec[] others =
        [
            edge with { IgnoresAll = true }, edge with { ScaledGradient = true },
            edge with { Reduction = LossReduction.Sum, Ignores = true },
        ];
        foreach (Spec spec in others)
        {
            foreach (ParityCase single in Both(spec, quick: false)) yield return single;
        }
    }

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        Spec spec = new(size.Rows, size.Vocabulary, 1) { Losses = true };
        double labels = spec.Outer, elements = labels * spec.Classes;
        yield return new BenchCase<NegativeLogLikelihoodForward>(
            spec.Name, new(labels, 12 * labels), m => Forward(m, spec));
        yield return new BenchCase<NegativeLogLikelihoodBackward>(
            spec.Name, new(labels, 4 * (labels + elements)), m => Backward(m, spec));
    }

    internal static NegativeLogLikelihoodForward Forward(CaseMemory memory, Spec spec)
    {
        int[] labels = Labels(memory, spec);
        return new()
        {
            LogProbabilities = memory.Input("logProbabilities",
                (long)spec.Outer * spec.Classes * spec.Inner),
            Labels = memory.Input("labels", labels),
            ClassWeights = Weights(memory, spec),
            Losses = spec.Losses ? memory.Output("losses", labels.Length, new()
            {
                Statistic = true,
                ExactZero = index => labels[index] == Ignored,
            }) : default,
            Loss = memory.Output("loss", 1, new() { Floor = 1, Statistic = true }),
            Outer = spec.Outer,
            Classes = spec.Classes,
            Inner = spec.Inner,
            IgnoreIndex = spec.Ignores || spec.IgnoresAll ? Ignored : null,
            Reduction = spec.Reduction,
        };
    }

    internal static NegativeLogLikelihoodBackward Backward(CaseMemory memory, Spec spec)
    {
        int[] labels = Labels(memory, spec);
        OutputRule rule = new() { ExactZero = index => !IsLabel(labels, spec, index) };
        return new()
        {
            Labels = memory.Input("labels", labels),
            ClassWeights = Weights(memory, spec),
            LossGradient = spec.ScaledGradient ? memory.Statistic("lossGradient", [-1.7]) : default,
            LogProbabilitiesGradient = memory.Output("logProbabilitiesGradient",
                (long)spec.Outer * spec.Classes * spec.Inner, rule),
            Outer = spec.Outer,
            Classes = spec.Classes,
            Inner = spec.Inner,
            IgnoreIndex = spec.Ignores || spec.IgnoresAll ? Ignored : null,
            Reduction = spec.Reduction,
        };
    }

    private static bool IsLabel(int[] labels, Spec spec, long index)
    {
        (long rest, long inner) = Math.DivRem(index, spec.Inner);
        (long outer, long label) = Math.DivRem(rest, spec.Classes);
        return labels[(outer * spec.Inner) + inner] == label;
    }

    // The sum is made in double: what remains is one product and one rounding.
    private static IEnumerable<ParityCase> Both(Spec spec, bool quick) =>
    [
        new ParityCase<NegativeLogLikelihoodForward>(
            spec.Name, Tolerance.Elementwise(2), m => Forward(m, spec), quick),
        new ParityCase<NegativeLogLikelihoodBackward>(
            spec.Name, Tolerance.Elementwise(2), m => Backward(m, spec), quick),
    ];

    private static BufferView Weights(CaseMemory memory, Spec spec) => spec.Weighted
        ? memory.Input("classWeights", [.. memory.Normal("classWeights", spec.Classes)
            .Select(Math.Abs)])
        : default;

    private static int[] Labels(CaseMemory memory, Spec spec)
    {
        int[] labels = memory.Integers("labels", spec.Outer * spec.Inner, spec.Classes);
        for (int i = 0; i < labels.Length; i++)
        {
            if (spec.IgnoresAll || (spec.Ignores && i % 3 == 1)) labels[i] = Ignored;
        }

        return labels;
    }

    internal sealed record Spec(int Outer, int Classes, int Inner)
    {
        public bool Weighted { get; init; }

        public bool Ignores { get; init; }

        public bool IgnoresAll { get; init; }

        public LossReduction Reduction { get; init; }

        public bool Losses { get; init; }

        public bool ScaledGradient { get; init; }

        public string Name =>
            FormattableString.Invariant($"[{Outer}, {Classes}, {Inner}] {Reduction}") +
            (Weighted ? " weighted" : "") + (Ignores ? " ignores some" : "") +
            (IgnoresAll ? " ignores all" : "") + (Losses ? "" : " no losses") +
            (ScaledGradient ? " scaled gradient" : "");
    }
}
