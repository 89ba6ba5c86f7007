using Transformer.Ops;

namespace Transformer.Verification.Cases;

/// <summary>Attention cases whose sequences are packed or paged, and those of decoding.</summary>
internal static class FusedAttentionLayoutSpecs
{
    private static readonly AttentionOptions BottomRight =
        new() { Causal = CausalAlignment.BottomRight };

    // Empty sequences, one query, one key, more than a tile of both.
    private static readonly int[] Queries = [5, 0, 53, 1, 13];
    private static readonly int[] Keys = [9, 33, 70, 0, 1];

    private static readonly FusedAttentionSpec Packed = new(new(5, 4, 2, 53, 70, 20, 12))
    {
        PackedQueries = Queries,
        PackedKeys = Keys,
    };

    private static readonly FusedAttentionSpec Paged = new(new(4, 4, 2, 25, 140, 20, 12))
    {
        KeyLengths = [140, 0, 67, 16],
        PageSize = 16,
    };

    public static IEnumerable<FusedAttentionSpec> All() =>
        PackedSpecs().Concat(PagedSpecs()).Concat(Decoding()).Concat(ScoreOutputs());

    /// <summary>Options of every causal kind and of windows with and without it.</summary>
    private static IEnumerable<AttentionOptions> Shapes() =>
    [
        default,
        new() { Causal = CausalAlignment.TopLeft },
        BottomRight,
        new() { Causal = CausalAlignment.Past, PastLength = 7 },
        new() { Window = new(3, 20), PastLength = 5 },
        BottomRight with { Window = new(9, -1), SoftCap = 2 },
    ];

    private static IEnumerable<FusedAttentionSpec> PackedSpecs()
    {
        FusedAttentionSpec queries = Packed with { PackedKeys = [] };
        FusedAttentionSpec keys = Packed with { PackedQueries = [] };
        foreach (AttentionOptions options in Shapes())
        {
            yield return Packed with { Options = options, SixteenBit = options == BottomRight };
            yield return queries with { Options = options };
            yield return keys with { Options = options };
        }

        // Lengths within packed keys: the rest of each sequence is padding.
        yield return Packed with { KeyLengths = [9, 20, 65, 0, 0], Options = BottomRight };
        yield return queries with { KeyLengths = [70, 0, 65, 1, 14], Options = BottomRight };
        yield return keys with { KeyLengths = [0, 33, 64, 0, 1], Options = BottomRight };
        yield return Packed with { MaskShape = [5, 1, 53, 70], BiasShape = [4, 53, 70] };
        yield return Packed with { MaskShape = [53, 66], Layout = AttentionLayout.Gapped };
        yield return Packed with
        {
            BiasShape = [5, 1, 1, 70], Layout = AttentionLayout.HeadsOutside,
        };
        yield return queries with { Layout = AttentionLayout.Gapped, Options = BottomRight };
        yield return Packed with { LogSumExp = false, Options = BottomRight };
        yield return Everything(Packed);
        yield return Everything(queries) with { KeyLengths = [70, 0, 65, 1, 14] };
        yield return Everything(keys);
        // No row at all, and one sequence that is the whole tensor.
        yield return new(new(2, 2, 1, 4, 4, 16, 16))
        {
            PackedQueries = [0, 0], PackedKeys = [4, 0],
        };
        yield return new(new(1, 2, 1, 65, 129, 16, 16))
        {
            PackedQueries = [65], PackedKeys = [129], Options = BottomRight,
        };
    }

    private static IEnumerable<FusedAttentionSpec> PagedSpecs()
    {
        foreach (AttentionOptions options in Shapes())
        {
            yield return Paged with { Options = options, SixteenBit = options == BottomRight };
            yield return Paged with
            {
                Options = options,
                PageSize = 32,
                PackedQueries = [25, 3, 0, 16],
                SixteenBit = options == BottomRight,
            };
        }

        foreach (int size in new[] { 32, 48, 64, 80, 256 })
        {
            yield return Paged with { PageSize = size, Options = BottomRight };
            yield return Paged with
            {
                PageSize = size,
                Layout = size == 48 ? AttentionLayout.Gapped : AttentionLayout.HeadsOutside,
                MaskShape = [4, 1, 25, 140],
                BiasShape = [4, 25, 140],
            };
        }

        yield return Everything(Paged);
        yield return Everything(Paged with { PageSize = 64, PackedQueries = [25, 3, 0, 16] });
    }

    /// <summary>Few queries over so many keys that these are split over workers.</summary>
    private static IEnumerable<FusedAttentionSpec> Decoding()
    {
        FusedAttentionSpec one = new(new(2, 4, 2, 1, 1100, 8, 12)) { KeyLengths = [1100, 600] };
        FusedAttentionSpec few = one with { Sizes = one.Sizes with { QueryLength = 3 } };
        FusedAttentionSpec eight = one with { Sizes = one.Sizes with { QueryLength = 8 } };
        yield return one with { Options = BottomRight, SixteenBit = true };
        yield return few with { Options = BottomRight with { Window = new(560, 0) }, Sinks = true };
        yield return eight with { Options = BottomRight, Sinks = true, SinksHaveInfinity = true };
        yield return one with { PageSize = 16, Options = BottomRight, SixteenBit = true };
        yield return few with { PageSize = 32, Options = BottomRight, Sinks = true };
        yield return eight with { PageSize = 64, Options = BottomRight, Alibi = true };
        yield return eight with
        {
            PageSize = 32, PackedQueries = [1, 8], Options = BottomRight, Sinks = true,
            SixteenBit = true,
        };
        FusedAttentionSpec packed = few with
        {
            KeyLengths = [], PackedQueries = [2, 3], PackedKeys = [1100, 513],
        };
        yield return packed with { Options = BottomRight };
        yield return packed with { Sinks = true, Score = CaseScores.Decay, SixteenBit = true };
        yield return few with { Score = CaseScores.Decay, PageSize = 48 };
        yield return eight with { Score = CaseScores.Documents, Options = BottomRight };
        yield return one with { Score = CaseScores.Documents, Options = new() { PastLength = 3 } };
        yield return few with { Blocks = new(2, 100, true), Options = BottomRight };
        yield return few with { Options = CaseScores.Dropout(0.1) };
        yield return one with
        {
            Options = BottomRight with { RelativeBuckets = new(32, 128, false) },
        };
    }

    private static IEnumerable<FusedAttentionSpec> ScoreOutputs()
    {
        foreach (ScoreOutput scores in Enum.GetValues<ScoreOutput>())
        {
            if (scores == ScoreOutput.None) continue;
            FusedAttentionSpec packed = Packed with
            {
                Scores = scores, Options = BottomRight with { SoftCap = 2 },
            };
            yield return packed;
            yield return packed with { Score = CaseScores.Decay, Sinks = true };
            yield return Paged with
            {
                Scores = scores,
                Score = CaseScores.Documents,
                PackedQueries = [25, 3, 0, 16],
                Alibi = true,
                SixteenBit = true,
            };
            yield return new(new(2, 4, 2, 3, 1100, 8, 12))
            {
                Scores = scores, KeyLengths = [1100, 40], PageSize = 64, Sinks = true,
                Blocks = new(2, 60, false), LogSumExp = false,
            };
        }
    }

    private static FusedAttentionSpec Everything(FusedAttentionSpec spec) => spec with
    {
        Options = BottomRight with
        {
            SoftCap = 3,
            Window = new(60, 0),
            RelativeBuckets = new(8, 20, false),
            DropoutProbability = 0.1,
            DropoutStream = 3,
        },
        MaskShape = [spec.Sizes.QueryLength, spec.Sizes.KeyLength],
        BiasShape = [4, 1, spec.Sizes.KeyLength],
        Blocks = new(10, 24, true),
        Alibi = true,
        Sinks = true,
        Score = CaseScores.Decay,
        SixteenBit = true,
        Quick = true,
    };
}
