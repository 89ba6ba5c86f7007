using Transformer.Ops;

namespace Transformer.Verification.Cases;

/// <summary>Attention cases of the usual wide heads on 16-bit tensors, longer than the tiles of
/// tensor cores, which have a path of their own for tiles that are seen whole.</summary>
internal static class FusedAttentionWidthSpecs
{
    private static readonly AttentionOptions BottomRight =
        new() { Causal = CausalAlignment.BottomRight };

    public static IEnumerable<FusedAttentionSpec> All()
    {
        foreach (FusedAttentionSpec spec in Specs()) yield return spec with { SixteenBit = true };
    }

    private static IEnumerable<FusedAttentionSpec> Specs()
    {
        FusedAttentionSpec narrow = new(new(1, 2, 1, 130, 135, 64, 64));
        FusedAttentionSpec middle = new(new(1, 2, 1, 66, 130, 128, 128));
        FusedAttentionSpec wide = new(new(1, 1, 1, 65, 66, 256, 256));
        yield return narrow with { Options = BottomRight };
        yield return narrow with
        {
            Layout = AttentionLayout.SequenceMajor, Options = new() { Window = new(40, 70) },
        };
        yield return middle;
        yield return middle with
        {
            Sizes = middle.Sizes with { ValueDimension = 96 }, Options = BottomRight,
        };
        yield return wide with { Options = BottomRight };
        yield return wide with
        {
            Sizes = wide.Sizes with { HeadDimension = 192, ValueDimension = 136 },
            MaskShape = [65, 66],
        };
        foreach (FusedAttentionSpec spec in new[] { narrow, middle, wide })
            yield return Everything(spec);

        // More than a tile of 128 queries, and three of 128 keys; packed sequences; a sequence
        // without keys.
        yield return new(new(1, 4, 2, 150, 280, 128, 128)) { Options = BottomRight };
        yield return new(new(3, 2, 1, 140, 200, 64, 64))
        {
            PackedQueries = [70, 0, 140], PackedKeys = [200, 33, 64], Options = BottomRight,
        };
        yield return narrow with
        {
            Sizes = narrow.Sizes with { Batch = 2 }, KeyLengths = [130, 0],
        };

        // Few queries: those of a key head's query heads share a block, the keys are split.
        FusedAttentionSpec few = new(new(1, 4, 1, 2, 600, 128, 128))
        {
            PageSize = 48, KeyLengths = [569], Options = BottomRight, Sinks = true,
        };
        yield return few;
        yield return few with
        {
            Sizes = few.Sizes with { HeadDimension = 80, ValueDimension = 64 },
        };
    }

    private static FusedAttentionSpec Everything(FusedAttentionSpec spec) => spec with
    {
        Options = BottomRight with
        {
            SoftCap = 3,
            Window = new(90, 0),
            RelativeBuckets = new(8, 20, false),
            DropoutProbability = 0.1,
            DropoutStream = 5,
        },
        MaskShape = [spec.Sizes.QueryLength, spec.Sizes.KeyLength],
        BiasShape = [spec.Sizes.QueryHeads, 1, spec.Sizes.KeyLength],
        Blocks = new(10, 24, true),
        Alibi = true,
        // A single sink's gradient is a sum that may cancel.
        Sinks = spec.Sizes.QueryHeads > 1,
    };
}
