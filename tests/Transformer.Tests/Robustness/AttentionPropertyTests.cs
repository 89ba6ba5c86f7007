using FsCheck;
using FsCheck.Fluent;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tests.FusedAttention;

namespace Transformer.Tests.Robustness;

/// <summary>Attention of any shape and any mix of options, forward and backward: the vectorised
/// kernels agree with the reference.</summary>
public sealed class AttentionPropertyTests
{
    // Shapes straddle vector widths and tile edges, with odd ones among them.
    private static readonly int[] Lengths = [1, 2, 3, 7, 8, 13, 17, 33, 65];
    private static readonly int[] Dimensions = [1, 2, 3, 8, 15, 16, 17, 32, 40];
    private static readonly (int Query, int Key)[] Heads =
        [(1, 1), (2, 1), (3, 3), (6, 2), (7, 7), (12, 4)];

    private sealed record Sample(
        AttentionSizes Sizes, AttentionOptions Options, int MaskRank, int BiasRank, int Seed);

    [Fact]
    public void Simd_MatchesReference() => Prop
        .ForAll(Samples().ToArbitrary(), sample => Agree(sample))
        .Check(Config.QuickThrowOnFailure.WithMaxTest(200).WithReplay(43, 47));

    [Theory]
    [InlineData(1, 1, 1, 1)]
    [InlineData(257, 257, 1, 1)]
    [InlineData(300, 1, 7, 7)]
    [InlineData(1, 300, 12, 4)]
    public void OddWidths_MatchReference(int dimension, int valueDimension, int heads, int keyHeads)
        => Assert.True(Agree(new(
            new(1, heads, keyHeads, 5, 9, dimension, valueDimension),
            new() { Causal = CausalAlignment.BottomRight, SoftCap = 2 }, 2, 4, 5)));

    private static Gen<Sample> Samples() =>
        from batch in Gen.Choose(1, 2)
        from heads in Gen.Elements(Heads)
        from queries in Gen.Elements(Lengths)
        from keys in Gen.Elements(Lengths)
        from dimension in Gen.Elements(Dimensions)
        from valueDimension in Gen.Elements(Dimensions)
        from causal in Gen.Elements(Enum.GetValues<CausalAlignment>())
        from past in Gen.Elements(0, 1, 20, int.MaxValue)
        from left in Gen.Elements(-2, -1, 0, 1, 9, int.MaxValue)
        from right in Gen.Elements(-1, 0, 3, int.MaxValue)
        from cap in Gen.Elements(0.0, 0.5, 30)
        from scale in Gen.Elements(0.0, 0.01, 2)
        from mask in Gen.Elements(0, 0, 1, 2, 3, 4)
        from bias in Gen.Elements(0, 0, 1, 2, 3, 4)
        from seed in Gen.Choose(0, int.MaxValue)
        select new Sample(
            new(batch, heads.Query, heads.Key, queries, keys, dimension, valueDimension),
            new()
            {
                Causal = causal, PastLength = past, SoftCap = cap, Scale = scale,
                Window = left < -1 ? null : new AttentionWindow(left, right),
            }, mask, bias, seed);

    private static bool Agree(Sample sample)
    {
        AttentionSizes s = sample.Sizes;
        Random random = new(sample.Seed);
        using AttentionProblemBuffers buffers = new(s, sample.Options);
        long[] full = [s.Batch, s.QueryHeads, s.QueryLength, s.KeyLength];
        if (sample.MaskRank > 0)
        {
            long[] shape = Broadcast(full[^sample.MaskRank..], random);
            buffers.AddMask([.. Enumerable.Range(0, (int)shape.Aggregate((a, b) => a * b))
                .Select(_ => random.Next(4) > 0)], shape);
        }

        if (sample.BiasRank > 0) buffers.AddBias(Broadcast(full[^sample.BiasRank..], random));
        buffers.Run(BackendRegistry.Reference, backward: true);
        float[] expected = buffers.Results(backward: true);
        buffers.BiasGradient?.AsSpan<float>().Clear();
        buffers.Run(BackendRegistry.Find("simd"), backward: true);
        float[] actual = buffers.Results(backward: true);
        for (int i = 0; i < expected.Length; i++)
        {
            // Inputs lie in (−1, 1): sums of up to 65·12 terms below 40, in binary32.
            bool same = float.IsFinite(expected[i])
                ? Math.Abs(expected[i] - actual[i]) <= 2e-4 * Math.Max(1, Math.Abs(expected[i]))
                : expected[i].Equals(actual[i]);
            Assert.True(same, $"{sample}: element {i} is {actual[i]}; expected {expected[i]}");
        }

        return true;
    }

    /// <summary>Some axes broadcast; the last one may be shorter.</summary>
    private static long[] Broadcast(long[] shape, Random random)
    {
        for (int axis = 0; axis < shape.Length - 1; axis++)
            if (random.Next(3) == 0) shape[axis] = 1;
        if (random.Next(4) == 0) shape[^1] = random.Next((int)shape[^1] + 1);
        return shape;
    }
}
