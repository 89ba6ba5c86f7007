using Transformer.Ops;

namespace Transformer.Verification.Cases;

/// <summary>Attention cases of block masks, position terms, sinks, dropout and score modifiers.
/// </summary>
internal static class FusedAttentionTermSpecs
{
    private static readonly AttentionOptions BottomRight =
        new() { Causal = CausalAlignment.BottomRight };

    private static readonly RelativePositionBuckets BothWays = new(12, 16, true);
    private static readonly RelativePositionBuckets Before = new(8, 16, false);

    private static readonly FusedAttentionSpec Small = new(new(2, 4, 2, 21, 38, 40, 40));

    // More than a tile of queries and of keys.
    private static readonly FusedAttentionSpec Tiles = new(new(2, 2, 1, 65, 140, 20, 12));
    private static readonly FusedAttentionSpec Tall = new(new(1, 6, 2, 130, 61, 12, 20));

    public static IEnumerable<FusedAttentionSpec> All() =>
        Alone().SelectMany(OnSizes).Concat(Blocks()).Concat(Together());

    private static IEnumerable<Func<FusedAttentionSpec, FusedAttentionSpec>> Alone() =>
    [
        spec => spec with { Alibi = true },
        spec => With(spec, o => o with { RelativeBuckets = BothWays }),
        spec => With(spec, o => o with { RelativeBuckets = Before }),
        spec => spec with { Sinks = true },
        spec => spec with { Sinks = true, SinksHaveInfinity = true },
        spec => With(spec, o => o with { DropoutProbability = 0.1 }),
        spec => With(spec, o => o with { DropoutProbability = 0.5, DropoutStream = 9 }),
        spec => With(spec, o => o with { DropoutProbability = 0.999 }),
        spec => spec with { Score = CaseScores.Decay },
        spec => spec with { Score = CaseScores.Documents },
        spec => spec with { Blocks = new(7, 13, false) },
        spec => spec with { Blocks = new(5, 9, true) },
    ];

    private static IEnumerable<FusedAttentionSpec> OnSizes(
        Func<FusedAttentionSpec, FusedAttentionSpec> add)
    {
        yield return add(Small) with { SixteenBit = true, Quick = true };
        yield return add(Tiles with { Options = new() { Causal = CausalAlignment.TopLeft } });
        yield return add(Tiles with { Options = BottomRight, KeyLengths = [131, 64] });
        yield return add(Tall with { Options = BottomRight });
        yield return add(Small with
        {
            Options = new() { Causal = CausalAlignment.Past, PastLength = 7 },
            MaskShape = [2, 4, 21, 38],
        });
        yield return add(Tiles with
        {
            Options = new() { Window = new(30, 40), PastLength = 20 }, MaskShape = [140],
        });
        yield return add(Small with
        {
            Options = BottomRight with { Window = new(4, -1), SoftCap = 2 },
            BiasShape = [4, 21, 38], KeyLengths = [30, 5],
        });
        yield return add(Small with { Layout = AttentionLayout.Gapped });
    }

    private static IEnumerable<FusedAttentionSpec> Blocks()
    {
        foreach (AttentionBlockSize size in new AttentionBlockSize[]
        {
            new(64, 64, false), new(48, 128, true), new(10, 24, true), new(1, 1, true),
            new(100, 70, true), new(30, 200, false),
        })
        {
            yield return Tiles with { Blocks = size };
            yield return Tiles with { Blocks = size, Options = BottomRight, MaskShape = [65, 140] };
        }

        // One key more than a block, and one fewer.
        yield return Tiles with
        {
            Sizes = Tiles.Sizes with { QueryLength = 49, KeyLength = 129 },
            Blocks = new(48, 64, true),
        };
        yield return Tiles with
        {
            Sizes = Tiles.Sizes with { QueryLength = 47, KeyLength = 127 },
            Blocks = new(48, 64, true),
        };
        // Several blocks of queries, with which register blocks end, and tiles hidden to one.
        FusedAttentionSpec many = Tiles with
        {
            Sizes = Tiles.Sizes with { QueryLength = 131, KeyLength = 300 },
            Blocks = new(40, 64, true),
        };
        yield return many;
        yield return many with { Options = BottomRight with { Window = new(90, -1) } };
    }

    private static IEnumerable<FusedAttentionSpec> Together()
    {
        FusedAttentionSpec all = Tiles with
        {
            Options = BottomRight with
            {
                SoftCap = 3,
                RelativeBuckets = BothWays,
                DropoutProbability = 0.1,
                DropoutStream = 77,
            },
            MaskShape = [2, 1, 65, 140],
            BiasShape = [2, 65, 140],
            Blocks = new(10, 24, true),
            Alibi = true,
            Sinks = true,
            Score = CaseScores.Decay,
            SixteenBit = true,
        };
        yield return all;
        yield return all with { KeyLengths = [130, 64], Score = CaseScores.Documents };
        yield return all with
        {
            Options = all.Options with { Window = new(40, 30), Causal = CausalAlignment.None },
        };
        yield return Tiles with { Alibi = true, Sinks = true, Options = BottomRight };
        // A bias that hides, and one whose rows are shorter than the keys.
        yield return Tiles with
        {
            BiasShape = [2, 1, 140], BiasHasInfinity = true, Sinks = true,
            Options = CaseScores.Dropout(0.5),
        };
        yield return Tiles with { BiasShape = [65, 131], Score = CaseScores.Documents };
        // The modifier after the cap; distances past 2¹⁰ in the last bucket.
        yield return Tiles with
        {
            Options = new() { SoftCap = 1.5, Scale = 0.5 }, Score = CaseScores.Decay,
        };
        yield return new(new(1, 2, 1, 9, 1100, 8, 8))
        {
            Options = new() { RelativeBuckets = new(32, 128, true), PastLength = 600 },
        };
        yield return new(new(1, 3, 1, 9, 600, 8, 8)) { Alibi = true };
        yield return new(new(2, 2, 1, 5, 0, 16, 16)) { Sinks = true };
        // A last bucket that begins within a tile of the diagonal, and the widest table.
        yield return Tiles with
        {
            Options = new() { RelativeBuckets = new(2, 2, false), PastLength = 100 },
        };
        yield return Tiles with
        {
            Options = new() { RelativeBuckets = new(64, 4096, true), PastLength = 60 },
        };
    }

    private static FusedAttentionSpec With(
        FusedAttentionSpec spec, Func<AttentionOptions, AttentionOptions> change) =>
        spec with { Options = change(spec.Options) };
}

/// <summary>Score modifiers and options that several tables of cases share.</summary>
internal static class CaseScores
{
    public static ScoreModifier Decay { get; } =
        ScoreModifier.OfDifferentiable(new CappedDecay(2));

    public static ScoreModifier Documents { get; } =
        ScoreModifier.OfDifferentiable(new DocumentMask(7));

    public static AttentionOptions Dropout(double probability) => new()
    {
        Causal = CausalAlignment.BottomRight, DropoutProbability = probability,
    };
}
