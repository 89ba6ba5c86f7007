using Transformer.Ops;
using Transformer.Verification.Unfused;

namespace Transformer.Verification.Cases;

/// <summary>Cases of <see cref="AttentionForward"/> and <see cref="AttentionBackward"/>.</summary>
internal static class FusedAttentionCases
{
    private static readonly int[] HeadDimensions =
        [1, 8, 16, 32, 40, 59, 64, 80, 96, 111, 128, 192, 256, 320];

    // Query and key lengths around vector widths and tiles, both ways, primes, and one.
    private static readonly (int Queries, int Keys)[] Lengths =
    [
        (1, 1), (1, 15), (15, 16), (16, 17), (17, 16), (31, 33), (33, 31), (63, 65), (64, 64),
        (65, 63), (97, 15), (15, 97), (1, 251), (251, 1), (3, 1031),
    ];

    public static IEnumerable<ParityCase> All()
    {
        foreach (FusedAttentionSpec spec in Specs()) yield return ForwardCase(spec);
        foreach (FusedAttentionSpec spec in Specs())
        {
            if (spec.Scores == ScoreOutput.None) yield return BackwardCase(spec);
        }
    }

    public static IEnumerable<FusedAttentionSpec> Specs() =>
        Shapes().Concat(Options()).Concat(ScoreOutputs()).Concat(FusedAttentionTermSpecs.All())
            .Concat(FusedAttentionLayoutSpecs.All()).Concat(FusedAttentionWidthSpecs.All());

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        int dimension = size.Width / size.Heads;
        AttentionSizes full = new(
            size.Batch, size.Heads, size.Heads, size.Length, size.Length, dimension, dimension);
        FusedAttentionSpec[] specs =
        [
            new(full),
            new(full) { Options = new() { Causal = CausalAlignment.TopLeft } },
            new(full with { QueryLength = 1 }),
        ];
        foreach (FusedAttentionSpec one in specs)
        {
            // Looking for keys that nobody sees takes longer than the attention itself.
            FusedAttentionSpec spec = one with { PlantsHidden = false };
            AttentionSizes s = spec.Sizes;
            bool causal = spec.Options.Causal != CausalAlignment.None;
            double pairs = (double)s.Batch * s.QueryHeads * s.QueryLength *
                (causal ? (s.KeyLength + 1) / 2.0 : s.KeyLength);
            double queries = (double)s.Batch * s.QueryHeads * s.QueryLength * dimension;
            double keys = (double)s.Batch * s.KeyValueHeads * s.KeyLength * dimension;
            // Two products of D multiply-adds a pair forward, five backward.
            yield return new BenchCase<AttentionForward>(spec.Name,
                new(4 * pairs * dimension, 8 * (queries + keys)),
                m => FusedAttentionOperands.Forward(m, spec), UnfusedAttention.Forward);
            yield return new BenchCase<AttentionBackward>(spec.Name,
                new(10 * pairs * dimension, 16 * (queries + keys)),
                m => FusedAttentionOperands.Backward(m, spec));
        }
    }

    private static IEnumerable<FusedAttentionSpec> Shapes()
    {
        for (int i = 0; i < HeadDimensions.Length; i++)
        {
            int groups = 1 + (i % 3);
            yield return new(new(1, groups * 2, 2, 18, 33, HeadDimensions[i], HeadDimensions[i]))
            {
                Options = new()
                {
                    Causal = i % 2 == 0 ? CausalAlignment.None : CausalAlignment.BottomRight,
                },
            };
        }

        foreach ((int queries, int keys) in Lengths)
        {
            yield return new(new(2, 2, 1, queries, keys, 16, 24));
            yield return new(new(1, 3, 3, queries, keys, 32, 32))
            {
                Options = new() { Causal = CausalAlignment.BottomRight },
            };
        }

        yield return new(new(2, 4, 2, 131, 129, 64, 64));
        yield return new(new(2, 2, 2, 5, 0, 16, 16));
        yield return new(new(2, 2, 2, 0, 5, 16, 16));
        yield return new(new(0, 2, 2, 5, 5, 16, 16));
    }

    private static IEnumerable<FusedAttentionSpec> Options()
    {
        FusedAttentionSpec wide = new(new(2, 4, 2, 21, 38, 40, 40));
        FusedAttentionSpec tall = new(new(2, 4, 2, 38, 21, 40, 40));
        foreach (FusedAttentionSpec spec in new[] { wide, tall })
        {
            int keys = spec.Sizes.KeyLength;
            int[] lengths = [keys - 4, 3];
            yield return With(spec, new() { Causal = CausalAlignment.TopLeft });
            yield return With(spec, new() { Causal = CausalAlignment.BottomRight });
            yield return With(spec, new() { Causal = CausalAlignment.Past, PastLength = 7 });
            yield return spec with { KeyLengths = lengths };
            yield return spec with { KeyLengths = [0, keys] };
            yield return With(spec, new() { Causal = CausalAlignment.BottomRight })
                with { KeyLengths = lengths };
            yield return With(spec, new() { Window = new(2, 3) });
            yield return With(spec, new() { Window = new(2, 3), PastLength = 7 });
            yield return With(spec, new()
            {
                Window = new(4, -1), Causal = CausalAlignment.BottomRight,
            });
            yield return With(spec, new() { Scale = 0.5f, SoftCap = 3 });
            yield return spec with
            {
                MaskShape = [2, 4, spec.Sizes.QueryLength, keys],
                BiasShape = [4, spec.Sizes.QueryLength, keys],
            };
        }

        foreach (FusedAttentionSpec spec in MasksAndLayouts(wide)) yield return spec;
    }

    private static IEnumerable<FusedAttentionSpec> MasksAndLayouts(FusedAttentionSpec wide)
    {
        yield return wide with { MaskShape = [21, 38] };
        yield return wide with { MaskShape = [4, 1, 38] };
        yield return wide with { MaskShape = [2, 1, 1, 38] };
        yield return wide with { MaskShape = [2, 1, 21, 30] };
        yield return wide with { BiasShape = [21, 38] };
        yield return wide with { BiasShape = [2, 1, 21, 30] };
        yield return wide with { BiasShape = [1, 4, 1, 38], BiasHasInfinity = true };
        yield return wide with { BiasShape = [2, 4, 21, 38], KeyLengths = [30, 5] };
        yield return new(new(2, 3, 3, 19, 35, 24, 40)) { Layout = AttentionLayout.SequenceMajor };
        yield return new(new(2, 4, 2, 19, 35, 16, 16)) { Layout = AttentionLayout.Gapped };
        yield return new(new(2, 3, 3, 33, 33, 16, 16))
        {
            Layout = AttentionLayout.PackedQkv,
            Options = new() { Causal = CausalAlignment.TopLeft },
        };
        yield return new(new(2, 2, 1, 17, 33, 64, 16)) { LogSumExp = false };
        yield return new(new(1, 2, 2, 33, 47, 16, 16)) { LargeLogits = true };
        yield return new(new(1, 2, 2, 17, 40, 64, 64))
        {
            LargeLogits = true,
            Options = new() { Causal = CausalAlignment.BottomRight },
        };
    }

    private static IEnumerable<FusedAttentionSpec> ScoreOutputs()
    {
        FusedAttentionSpec spec = new(new(2, 4, 2, 18, 35, 32, 24))
        {
            Options = new() { Causal = CausalAlignment.BottomRight, SoftCap = 2 },
            KeyLengths = [31, 20],
            BiasShape = [18, 35],
        };
        foreach (ScoreOutput scores in Enum.GetValues<ScoreOutput>())
        {
            if (scores == ScoreOutput.None) continue;
            yield return spec with { Scores = scores };
            yield return new(new(1, 2, 2, 17, 65, 16, 16))
            {
                Scores = scores, MaskShape = [17, 65],
            };
        }
    }

    private static FusedAttentionSpec With(FusedAttentionSpec spec, AttentionOptions options) =>
        spec with { Options = options };

    internal static ParityCase<AttentionForward> ForwardCase(FusedAttentionSpec spec) =>
        new ParityCase<AttentionForward>(spec.Name, ForwardTolerance(spec),
            m => FusedAttentionOperands.Forward(m, spec), IsQuick(spec))
        {
            SixteenBit = spec.SixteenBit,
            FeaturesOf = dtype => FusedAttentionFeatures.Of(spec, dtype),
        };

    internal static ParityCase<AttentionBackward> BackwardCase(FusedAttentionSpec spec) =>
        new ParityCase<AttentionBackward>(spec.Name, BackwardTolerance(spec),
            m => FusedAttentionOperands.Backward(m, spec), IsQuick(spec))
        {
            SixteenBit = spec.SixteenBit,
            FeaturesOf = dtype => FusedAttentionFeatures.Of(spec, dtype),
            // The stored output's, which δ takes to the gradients of all scores of a row, dO·O and
            // P ⊙ δ; and the result's.
            SixteenBitRoundings = 3,
        };

    // Everything but the many head sizes and lengths.
    private static bool IsQuick(FusedAttentionSpec spec) =>
        spec.Quick || spec.Sizes.HeadDimension == 40 || spec.LargeLogits ||
        spec.Scores != ScoreOutput.None ||
        spec.Layout != AttentionLayout.Default || spec.Sizes.QueryLength is 31 or 64;

    // Scores are sums over D and enter an exponential: their absolute error becomes a relative
    // one; the product with the values sums over the keys.
    private static Tolerance ForwardTolerance(FusedAttentionSpec spec) =>
        WithSoftCap(Tolerance.Sum(spec.Sizes.HeadDimension + spec.Sizes.KeyLength), spec);

    // The weights again, then dO·V over Dv, and sums over the keys, or over the queries of all
    // heads and sequences that share an operand.
    private static Tolerance BackwardTolerance(FusedAttentionSpec spec)
    {
        AttentionSizes s = spec.Sizes;
        int rows = s.QueryLength * (spec.BiasShape.Length > 0
            ? s.Batch * s.QueryHeads : s.QueryHeads / s.KeyValueHeads);
        Tolerance tolerance = WithSoftCap(
            Tolerance.Sum(Math.Max(s.HeadDimension + s.ValueDimension, Math.Max(rows, s.KeyLength)),
                chained: 3), spec);
        // Scores of usual scale, up to four standard deviations, are within what the sums allow.
        double largest = spec.LargeLogits ? 30000
            : spec.ScoreDeviation > 1 ? 4 * spec.ScoreDeviation : 0;
        return largest == 0 ? tolerance : tolerance.Plus(largest * Tolerance.SingleUlp,
            "weights are exp(score − log-sum-exp), numbers up to " +
            FormattableString.Invariant($"{largest:0} rounded to binary32"));
    }

    private static Tolerance WithSoftCap(Tolerance tolerance, FusedAttentionSpec spec) =>
        spec.Options.SoftCap == 0 ? tolerance : tolerance.Plus(
            2 * spec.Options.SoftCap * Tolerance.SingleUlp,
            "the soft cap multiplies the rounding of tanh");
}
