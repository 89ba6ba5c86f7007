using Transformer.Ops;

namespace Transformer.Verification.Cases;

/// <summary>Cases of <see cref="TopKForward"/>.</summary>
internal static class TopKCases
{
    private static readonly (int Rows, int Length, int Count)[] Shapes =
    [
        (1, 1, 1), (3, 7, 7), (2, 33, 1), (5, 97, 4), (4, 256, 17), (3, 1031, 50), (2, 4099, 257),
        (1, 50257, 40), (2, 2048, 1000), (0, 5, 2),
    ];

    public static IEnumerable<ParityCase> All()
    {
        for (int i = 0; i < Shapes.Length; i++)
        {
            Spec spec = new(Shapes[i].Rows, Shapes[i].Length, Shapes[i].Count)
            {
                Values = i % 4 != 2,
            };
            yield return Case(spec, i is 3 or 4 or 5);
        }

        yield return Case(new(6, 300, 20) { Values = true, Levels = 3 }, quick: true);
        yield return Case(new(2, 3000, 1100) { Values = true, Levels = 1 }, quick: false);
        yield return Case(new(3, 130, 64) { Values = true, Masked = true }, quick: true);
    }

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        foreach (int count in new[] { 1, 40 })
        {
            Spec spec = new(size.Rows, size.Vocabulary, count) { Values = true };
            double elements = (double)spec.Rows * spec.Length, taken = (double)spec.Rows * count;
            yield return new BenchCase<TopKForward>(
                spec.Name, new(elements, (4 * elements) + (8 * taken)), m => Call(m, spec));
        }
    }

    internal static TopKForward Call(CaseMemory memory, Spec spec)
    {
        double[] input = memory.Normal("input", (long)spec.Rows * spec.Length);
        for (int i = 0; i < input.Length; i++)
        {
            // Few different values, −0 and 0 among them.
            if (spec.Levels > 0) input[i] = Math.Round(input[i] / 4 * spec.Levels);
            if (spec.Masked && i % 3 != 0) input[i] = double.NegativeInfinity;
        }

        long taken = (long)spec.Rows * spec.Count;
        return new()
        {
            Input = memory.Input("input", input),
            Values = spec.Values ? memory.Output("values", taken) : default,
            Indices = memory.OutputIntegers("indices", taken),
            Rows = spec.Rows,
            Length = spec.Length,
            Count = spec.Count,
        };
    }

    private static ParityCase<TopKForward> Case(Spec spec, bool quick) =>
        new(spec.Name, Tolerance.Exact, m => Call(m, spec), quick);

    internal sealed record Spec(int Rows, int Length, int Count)
    {
        public bool Values { get; init; }

        /// <summary>Equal elements: so many levels a unit of a quarter; 0: as drawn.</summary>
        public int Levels { get; init; }

        /// <summary>Two of three are −∞.</summary>
        public bool Masked { get; init; }

        public string Name =>
            FormattableString.Invariant($"[{Rows}, {Length}] top {Count}") +
            (Values ? "" : " no values") +
            (Levels > 0 ? FormattableString.Invariant($" {Levels} levels") : "") +
            (Masked ? " masked" : "");
    }
}
