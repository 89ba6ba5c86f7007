using Transformer.Ops;
using Transformer.Tests.Support;
using Transformer.Verification.Cases;

namespace Transformer.Tests.FusedAttention.Properties;

/// <summary>Changes of a problem that change nothing, or by a power of two: bit for bit, forward
/// and backward, on the vectorised kernels.</summary>
public sealed class AttentionExactPropertyTests
{
    private const int Cases = 120;

    [Fact]
    public void SequencesInAnotherOrder_GiveTheResultsInThatOrder() => Property.Holds(
        // Packed ones have lengths by their place; modifiers and dropout look at it.
        AttentionSamples.Where(s => s.Batch > 1 && !s.PacksQueries &&
            s.KeyPlace != AttentionKeyPlace.Packed && s.Options.DropoutProbability == 0 &&
            s.Modifier == AttentionSampleModifier.None), Cases, sample =>
        {
            AttentionData data = AttentionData.Of(sample);
            AttentionResult expected = Rotate(data.Run(), data);
            AttentionResult actual = Rotate(data).Run();
            // A gradient that sequences share is a sum over them, whose order changes.
            bool shared = sample.Bias is { } bias && !HasBatch(bias);
            (actual with
            {
                BiasGradient = shared ? expected.BiasGradient : actual.BiasGradient,
                RelativeGradient = expected.RelativeGradient,
                SinkGradient = expected.SinkGradient,
            }).MustEqual(expected);
        });

    [Fact]
    public void WhatHiddenKeysHold_IsNotSeen() => Property.Holds(
        AttentionSamples.Where(s => s.Scores is not (ScoreOutput.Raw or ScoreOutput.Capped)),
        Cases, sample =>
        {
            AttentionData data = AttentionData.Of(sample);
            bool[] hidden = data.HiddenKeys();
            AttentionData poisoned = data with
            {
                Key = Poison(data.Key, hidden, sample.Dimension, float.NaN),
                Value = Poison(data.Value, hidden, sample.ValueDimension, float.NegativeInfinity),
            };
            poisoned.Run().MustEqual(data.Run());
        });

    [Fact]
    public void MoreKeysBehindTheLengths_ChangeNothing() => Property.Holds(
        AttentionSamples.Where(s => s.Lengths is not null && s.Scores == ScoreOutput.None &&
            s.KeyPlace != AttentionKeyPlace.Packed && s.Blocks is null),
        Cases, sample =>
        {
            const int more = 37;
            AttentionData data = AttentionData.Of(sample);
            AttentionSample longer = sample with
            {
                Keys = sample.Keys + more,
                Lengths = sample.KeyLengths,
                Mask = Shorter(sample.Mask, sample.Keys, more),
                Bias = Shorter(sample.Bias, sample.Keys, more),
            };
            AttentionResult actual = (data with
            {
                Sample = longer,
                Key = Append(data.Key, sample, more * sample.Dimension),
                Value = Append(data.Value, sample, more * sample.ValueDimension),
            }).Run();
            AttentionResult expected = data.Run();
            (expected with
            {
                KeyGradient = Append(expected.KeyGradient, sample, more * sample.Dimension, 0),
                ValueGradient =
                    Append(expected.ValueGradient, sample, more * sample.ValueDimension, 0),
            }).MustEqual(actual);
        });

    [Fact]
    public void FullLengths_AreNoLengths() => Same(
        s => s.Lengths is null, s => s with { Lengths = [-1] });

    [Fact]
    public void WindowBeyondBothEnds_IsNoWindow() => Same(
        // The past counts to the distance.
        s => s.Options.Window is null && s.Options.PastLength < 100, s => s with
        {
            Options = s.Options with { Window = new(int.MaxValue, int.MaxValue) },
        });

    [Fact]
    public void BottomRight_IsAPastOfTheKeysTooMany() => Same(
        s => s.Options.Causal == CausalAlignment.BottomRight && s.Lengths is null &&
            s.Keys >= s.Queries && !s.PacksQueries && s.KeyPlace != AttentionKeyPlace.Packed,
        s => s with
        {
            Options = s.Options with
            {
                Causal = CausalAlignment.Past, PastLength = s.Keys - s.Queries,
            },
        });

    [Fact]
    public void TopLeft_IsAPastOfNothing() => Same(
        s => s.Options.Causal == CausalAlignment.TopLeft, s => s with
        {
            Options = s.Options with { Causal = CausalAlignment.Past, PastLength = 0 },
        });

    [Fact]
    public void PackedAndPagedKeys_AreKeysWithLengths() => Same(
        s => s.KeyPlace != AttentionKeyPlace.Padded &&
            s.Scores is not (ScoreOutput.Raw or ScoreOutput.Capped),
        s => s with
        {
            KeyPlace = AttentionKeyPlace.Padded,
            Lengths = s.KeyLengths.Length > 0 ? s.KeyLengths : s.PackedKeys,
        });

    [Fact]
    public void Layout_ChangesNothing()
    {
        foreach (AttentionLayout layout in Enum.GetValues<AttentionLayout>())
            Same(s => s.Layout != layout, s => s with { Layout = layout }, Cases / 3);
    }

    [Fact]
    public void MaskThatShowsEverything_IsNoMask() => Property.Holds(
        AttentionSamples.Where(s => s.Mask is null), Cases, sample =>
        {
            AttentionData data = AttentionData.Of(sample);
            (data with
            {
                Sample = sample with { Mask = new(1, false, false, false, 0) },
                Mask = [.. Enumerable.Repeat(true, sample.Keys)],
            }).Run().MustEqual(data.Run());
        });

    [Fact]
    public void ValuesTwiceAsLarge_DoubleTheOutput() => Property.Holds(
        AttentionSamples.All, Cases, sample =>
        {
            // Half the output's gradient then leaves those of queries and keys as they are.
            AttentionData data = AttentionData.Of(sample);
            AttentionResult expected = data.Run();
            (data with
            {
                Value = Times(data.Value, 2), OutputGradient = Times(data.OutputGradient, 0.5f),
            }).Run().MustEqual(expected with
            {
                Output = Times(expected.Output, 2),
                ValueGradient = Times(expected.ValueGradient, 0.5f),
            });
        });

    private static void Same(Func<AttentionSample, bool> condition,
        Func<AttentionSample, AttentionSample> change, int cases = Cases) => Property.Holds(
            AttentionSamples.Where(condition), cases, sample =>
            {
                AttentionData data = AttentionData.Of(sample);
                (data with { Sample = change(sample) }).Run().MustEqual(data.Run());
            });

    /// <summary>The last sequence comes first.</summary>
    private static AttentionData Rotate(AttentionData data)
    {
        AttentionSample sample = data.Sample;
        int batch = sample.Batch;
        int[] lengths = sample.KeyLengths;
        return data with
        {
            Sample = sample with
            {
                Lengths = sample.Lengths is null ? null : [lengths[^1], .. lengths[..^1]],
            },
            Query = Rotate(data.Query, batch),
            Key = Rotate(data.Key, batch),
            Value = Rotate(data.Value, batch),
            OutputGradient = Rotate(data.OutputGradient, batch),
            Mask = sample.Mask is { } m && HasBatch(m) ? Rotate(data.Mask, batch) : data.Mask,
            Bias = sample.Bias is { } b && HasBatch(b) ? Rotate(data.Bias, batch) : data.Bias,
        };
    }

    private static AttentionResult Rotate(AttentionResult result, AttentionData data)
    {
        int batch = data.Sample.Batch;
        return new(Rotate(result.Output, batch), Rotate(result.LogSumExp, batch),
            Rotate(result.Scores, batch), Rotate(result.QueryGradient, batch),
            Rotate(result.KeyGradient, batch), Rotate(result.ValueGradient, batch),
            data.Sample.Bias is { } bias && HasBatch(bias)
                ? Rotate(result.BiasGradient, batch) : result.BiasGradient,
            result.RelativeGradient, result.SinkGradient);
    }

    private static bool HasBatch(AttentionBroadcast axes) => axes is { Rank: 4, OnBatch: true };

    private static T[] Rotate<T>(T[] values, int batch)
    {
        int one = values.Length / batch;
        return [.. values[^one..], .. values[..^one]];
    }

    private static float[] Times(float[] values, float factor) =>
        [.. values.Select(x => x * factor)];

    private static float[] Poison(float[] values, bool[] rows, int width, float poison)
    {
        float[] poisoned = [.. values];
        for (int row = 0; row < rows.Length; row++)
            if (rows[row]) poisoned.AsSpan(row * width, width).Fill(poison);
        return poisoned;
    }

    /// <summary>The mask has as many keys as before, of more.</summary>
    private static AttentionBroadcast? Shorter(AttentionBroadcast? axes, int keys, int more) =>
        axes is null ? null : axes with { MissingKeys = Math.Min(axes.MissingKeys, keys) + more };

    /// <summary>More numbers behind the keys or values of each head.</summary>
    private static float[] Append(
        float[] rows, AttentionSample sample, int more, float value = float.NaN)
    {
        int pairs = sample.Batch * sample.KeyValueHeads;
        int one = rows.Length / pairs;
        List<float> all = [];
        for (int pair = 0; pair < pairs; pair++)
        {
            all.AddRange(rows.AsSpan(pair * one, one));
            all.AddRange(Enumerable.Repeat(value, more));
        }

        return [.. all];
    }
}
