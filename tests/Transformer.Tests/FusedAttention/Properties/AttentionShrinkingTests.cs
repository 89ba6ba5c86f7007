using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tests.Support;
using Transformer.Verification;
using Transformer.Verification.Cases;

namespace Transformer.Tests.FusedAttention.Properties;

/// <summary>A mistake that needs a mix of options to show is cut down to just that mix.</summary>
public sealed class AttentionShrinkingTests
{
    [Fact]
    public void KernelThatForgetsTheSoftCapInAWindow_IsFoundAndShrunk()
    {
        Backend wrong = new BackendWithMistake(call => call.Inputs.Options.Window is null
            ? call : With(call, call.Inputs.Options with { SoftCap = 0 }));

        PropertyFailure<AttentionSample> failure = FindMistake(wrong);

        // One query and one key are enough: the log-sum-exp is the capped score.
        AttentionSample smallest = failure.Smallest;
        Assert.InRange(Measure(smallest.Sizes), 7, 9);
        Assert.NotEqual(0, smallest.Options.SoftCap);
        Assert.NotNull(smallest.Options.Window);
        Assert.Equal(new AttentionSample().Spec.Name, (smallest with
        {
            Options = default, Batch = 1, KeyValueHeads = 1, Group = 1, Queries = 1, Keys = 1,
            Dimension = 1, ValueDimension = 1,
        }).Spec.Name);
        Assert.StartsWith(
            $"smallest failing case: {smallest}\n  ", failure.ToString(), StringComparison.Ordinal);
        Assert.Matches(" window .* soft cap, cap ", smallest.ToString());
    }

    [Fact]
    public void KernelThatOverlooksKeyLengthsOfLaterSequences_IsShrunkToTwoSequences()
    {
        int[] first = new int[3];
        Backend wrong = new BackendWithMistake(call =>
        {
            if (call.Inputs.KeyLengths.IsAbsent) return call;
            // Every sequence gets the length of the first.
            Span<int> lengths = call.Inputs.KeyLengths.AsSpan<int>();
            first = [.. lengths];
            lengths.Fill(lengths[0]);
            return call;
        }, call =>
        {
            if (call.Inputs.KeyLengths.IsPresent)
                first.CopyTo(call.Inputs.KeyLengths.AsSpan<int>());
        });

        AttentionSample smallest = FindMistake(wrong).Smallest;

        Assert.InRange(Measure(smallest.Sizes), 8, 10);
        Assert.Equal(2, smallest.KeyLengths.Distinct().Count());
        Assert.Equal(default, smallest.Options);
        Assert.Null(smallest.Mask);
        Assert.Null(smallest.Bias);
    }

    [Fact]
    public void EveryStep_IsSmaller()
    {
        // Or shrinking might never end.
        foreach (AttentionSample start in AttentionSamples.Fixed(50))
        {
            AttentionSample sample = start;
            while (AttentionSamples.All.Shrinker(sample).ToArray() is [var first, ..] all)
            {
                Assert.All(all, next => Assert.True(
                    Measure(next) < Measure(sample), $"{sample} is followed by {next}"));
                sample = first;
            }

            Assert.Equal(sample.Sizes with { QueryLength = 1, KeyLength = 1 },
                new(1, 1, 1, 1, 1, 1, 1));
            Assert.Equal(default, sample.Options);
        }
    }

    private static long Measure(AttentionSample s)
    {
        AttentionOptions o = s.Options;
        long options = Measure(s.Mask) + Measure(s.Bias) + (s.BiasHasInfinity ? 1 : 0) +
            (s.Lengths is { } lengths ? 1 + lengths.Count(n => n >= 0) : 0) +
            (s.Layout == AttentionLayout.Default ? 0 : 1) +
            (s.Scores == ScoreOutput.None ? 0 : 1) + (s.LogSumExp ? 0 : 1) +
            (o.Window is { } w ? 3L + w.Left + w.Right : 0) + (o.SoftCap == 0 ? 0 : 1) +
            (s.PacksQueries ? 1 : 0) + (s.KeyPlace == AttentionKeyPlace.Padded ? 0 : 1) +
            (s.Blocks is null ? 0 : 1) + (s.Alibi ? 1 : 0) + (s.Sinks ? 1 : 0) +
            (s.Modifier == AttentionSampleModifier.None ? 0 : 1) +
            (o.RelativeBuckets is null ? 0 : 1) + (o.DropoutProbability == 0 ? 0 : 1) +
            (o.Scale == 0 ? 0 : 1) + o.PastLength + (o.Causal == CausalAlignment.None ? 0 : 1);
        return options + s.Group - s.Sizes.QueryHeads + Measure(s.Sizes);
    }

    private static int Measure(AttentionSizes s) => s.Batch + s.QueryHeads + s.KeyValueHeads +
        s.QueryLength + s.KeyLength + s.HeadDimension + s.ValueDimension;

    private static long Measure(AttentionBroadcast? b) => b is null ? 0
        : 1L + (b.OnBatch ? 1 : 0) + (b.OnHead ? 1 : 0) + (b.OnQuery ? 1 : 0) + b.Rank +
            b.MissingKeys;

    private static PropertyFailure<AttentionSample> FindMistake(Backend wrong)
    {
        PropertyFailure<AttentionSample>? failure =
            Property.Find(AttentionSamples.All, 250, sample =>
            {
                ParityResult result = FusedAttentionCases.ForwardCase(sample.Spec).Run(wrong);
                Assert.True(result.Passed, result.Detail);
            });
        Assert.NotNull(failure);
        return failure;
    }

    private static AttentionForward With(AttentionForward call, AttentionOptions options) =>
        call with { Inputs = call.Inputs with { Options = options } };

    private sealed class BackendWithMistake : Backend
    {
        public BackendWithMistake(
            Func<AttentionForward, AttentionForward> change,
            Action<AttentionForward>? restore = null) => Register(new Kernel(change, restore));

        public override string Name => "wrong";

        public override string Device => "none";

        public override int Priority => 0;
    }

    private sealed class Kernel(
        Func<AttentionForward, AttentionForward> change, Action<AttentionForward>? restore)
        : IKernel<AttentionForward>
    {
        public bool Supports(in AttentionForward call, out string? reason)
        {
            reason = null;
            return true;
        }

        public void Run(in AttentionForward call)
        {
            BackendRegistry.Find("simd").Run(change(call));
            restore?.Invoke(call);
        }
    }
}
