using Transformer.Ops;

namespace Transformer.Verification.Cases;

/// <summary>Cases of <see cref="GradientNormForward"/>.</summary>
internal static class GradientNormCases
{
    private static readonly int[] Lengths = [0, 1, 15, 16, 17, 31, 63, 64, 65, 251, 1031, 20011];

    public static IEnumerable<ParityCase> All()
    {
        foreach (int length in Lengths)
        {
            yield return Case(length, 1, amplitude: 1, quick: length is 17 or 65);
        }

        yield return Case(33, 0, amplitude: 1, quick: true);
        yield return Case(33, 1000, amplitude: 1, quick: true);
        // Squares that leave binary32's range at either end.
        yield return Case(67, 1, amplitude: 1e25, quick: true, float32Only: true);
        yield return Case(67, 1e-27, amplitude: 1e-28, quick: true, float32Only: true);

        static ParityCase<GradientNormForward> Case(
            int length, double maxNorm, double amplitude, bool quick, bool float32Only = false) =>
            new(FormattableString.Invariant($"[{length}] limit {maxNorm}") +
                (amplitude == 1 ? "" : FormattableString.Invariant($" amplitude {amplitude}")),
                new(2 * Tolerance.SingleUlp, "the sum is in double; norm and scale round once"),
                m => Call(m, length, maxNorm, amplitude), quick)
            {
                Float32Only = float32Only,
            };
    }

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        int length = 4 * size.Width * size.Hidden;
        yield return new BenchCase<GradientNormForward>(
            FormattableString.Invariant($"[{length}]"), new(2.0 * length, 4.0 * length),
            m => Call(m, length, 1, 1));
    }

    internal static GradientNormForward Call(
        CaseMemory memory, int length, double maxNorm, double amplitude) => new()
        {
            Gradient = memory.Input("gradient", memory.Normal("gradient", length, 0, amplitude)),
            Norm = memory.Output("norm", 1,
                new() { Floor = 0.01 * amplitude, Statistic = true }),
            ClipScale = memory.Output("clipScale", 1, new() { Floor = 1e-30, Statistic = true }),
            Length = length,
            MaxNorm = maxNorm,
        };
}
