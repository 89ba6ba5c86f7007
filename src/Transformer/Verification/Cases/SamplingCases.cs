using System.Globalization;
using Transformer.Ops;

namespace Transformer.Verification.Cases;

/// <summary>Cases of <see cref="SamplingForward"/>.</summary>
/// <remarks>A draw within a rounding of the border between two tokens may go either way; at a
/// relative error of 10⁻⁶ that is one in a million draws, and the cases are always the same.
/// </remarks>
internal static class SamplingCases
{
    private static readonly DrawOptions[] Options =
    [
        default, new() { Temperature = 0 }, new() { Temperature = 0.7, Seed = 5 },
        new() { TopK = 1 }, new() { TopK = 40, Temperature = 1.3, Seed = 9 },
        new() { TopP = 0.9, Seed = 2, First = 77 }, new() { TopP = 0.3, TopK = 12, Seed = 3 },
        new() { TopP = 0, Seed = 4 }, new() { Temperature = 100, TopP = 0.99, Seed = 6 },
        new() { Temperature = 1e-20, Seed = 7, First = ulong.MaxValue },
    ];

    public static IEnumerable<ParityCase> All()
    {
        for (int i = 0; i < Options.Length; i++)
        {
            yield return Case(new(33, 300, Options[i]), i is 2 or 4 or 6);
            yield return Case(new(2, 8191, Options[i]), quick: false);
        }

        yield return Case(new(3, 1, default), quick: true);
        yield return Case(new(0, 5, default), quick: false);
        yield return Case(new(17, 64, new() { TopP = 0.5 }) { Levels = 1 }, quick: true);
        yield return Case(new(17, 64, new() { TopK = 5 }) { Levels = 1 }, quick: true);
        yield return Case(new(8, 97, default) { Spoilt = true }, quick: true);
        yield return Case(new(8, 97, new() { TopK = 90 }) { Spoilt = true }, quick: false);
    }

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        DrawOptions[] options =
        [
            new() { Temperature = 0 }, new() { Temperature = 0.8, TopK = 40 },
            new() { Temperature = 0.8, TopP = 0.95 },
        ];
        foreach (DrawOptions option in options)
        {
            Spec spec = new(16, size.Vocabulary, option);
            double elements = (double)spec.Rows * spec.Vocabulary;
            yield return new BenchCase<SamplingForward>(
                spec.Name, new(2 * elements, 4 * elements), m => Call(m, spec));
        }
    }

    internal static SamplingForward Call(CaseMemory memory, Spec spec)
    {
        double[] logits =
            memory.Normal("logits", (long)spec.Rows * spec.Vocabulary, 0, 2);
        for (int i = 0; i < logits.Length; i++)
        {
            if (spec.Levels > 0) logits[i] = Math.Round(logits[i] * spec.Levels);
            if (!spec.Spoilt) continue;
            (int row, int token) = Math.DivRem(i, spec.Vocabulary);
            // Rows with a NaN, with +∞, of nothing but −∞, with −∞ among others.
            if (row % 4 == 0 && token == 40) logits[i] = double.NaN;
            if (row % 4 == 1 && token == 50) logits[i] = double.PositiveInfinity;
            if (row % 4 == 2 || (row % 4 == 3 && token % 2 == 0))
                logits[i] = double.NegativeInfinity;
        }

        return new()
        {
            Logits = memory.Input("logits", logits),
            Tokens = memory.OutputIntegers("tokens", spec.Rows),
            Rows = spec.Rows,
            Vocabulary = spec.Vocabulary,
            Options = spec.Options,
        };
    }

    private static ParityCase<SamplingForward> Case(Spec spec, bool quick) =>
        new(spec.Name, Tolerance.Exact, m => Call(m, spec), quick);

    internal sealed record Spec(int Rows, int Vocabulary, DrawOptions Options)
    {
        /// <summary>Equal logits: so many levels a unit; 0: as drawn.</summary>
        public int Levels { get; init; }

        /// <summary>Rows that are not finite.</summary>
        public bool Spoilt { get; init; }

        public string Name => string.Create(CultureInfo.InvariantCulture,
            $"[{Rows}, {Vocabulary}] temperature {Options.Temperature ?? 1}") +
            string.Create(CultureInfo.InvariantCulture,
            $" k {Options.TopK} p {Options.TopP ?? 1} seed {Options.Seed} {Options.First}") +
            (Levels > 0 ? " levels" : "") + (Spoilt ? " spoilt" : "");
    }
}
