using Transformer.Ops;

namespace Transformer.Verification.Cases;

/// <summary>Cases of <see cref="AdamWForward"/>.</summary>
internal static class AdamWCases
{
    private static readonly int[] Lengths = [0, 1, 15, 16, 17, 31, 63, 64, 65, 251, 1031, 20011];

    public static IEnumerable<ParityCase> All()
    {
        foreach (int length in Lengths)
        {
            yield return Case(length, step: 1 + length, decay: 0.01, scaled: length % 2 == 1,
                quick: length is 17 or 65);
        }

        yield return Case(33, step: 1, decay: 0, scaled: false, quick: true);
        yield return Case(33, step: 1_000_000, decay: 0.1, scaled: true, quick: true);

        static ParityCase<AdamWForward> Case(
            int length, int step, double decay, bool scaled, bool quick) =>
            new($"[{length}] step {step} decay " +
                FormattableString.Invariant($"{decay}") + (scaled ? " scaled" : ""),
                Tolerance.Elementwise(8), m => Call(m, length, step, decay, scaled), quick)
            {
                Float32Only = true,
            };
    }

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        int length = 4 * size.Width * size.Hidden;
        // Four numbers read and three written an element; 14 operations with root and quotient.
        yield return new BenchCase<AdamWForward>(
            FormattableString.Invariant($"[{length}]"), new(14.0 * length, 28.0 * length),
            m => Call(m, length, 10, 0.01, true));
    }

    internal static AdamWForward Call(
        CaseMemory memory, int length, int step, double decay, bool scaled)
    {
        double[] second = memory.Normal("secondMoment", length);
        for (int i = 0; i < length; i++) second[i] *= second[i];
        return new()
        {
            Parameter = memory.Updated("parameter", length),
            Gradient = memory.Input("gradient", length),
            FirstMoment = memory.Updated("firstMoment", length),
            SecondMoment = memory.Updated("secondMoment", second),
            GradientScale = scaled ? memory.Input("gradientScale", [0.37]) : default,
            Length = length,
            LearningRate = 0.01,
            Beta1 = 0.9,
            Beta2 = 0.98,
            Epsilon = 1e-8,
            WeightDecay = decay,
            Step = step,
        };
    }
}
