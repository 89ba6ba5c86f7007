using System.Numerics.Tensors;
using Transformer.Ops;
using Transformer.Samples;
using Transformer.Tensors;
using Attention = Transformer.Ops.FusedAttention;

namespace Transformer.Tests.FusedAttention;

/// <summary>The public entries beside the plain one on floats.</summary>
public class FusedAttentionEntryTests
{
    private const int Heads = 4;
    private const int KeyHeads = 2;
    private const int Length = 70;
    private const int Dimension = 24;
    private static readonly AttentionSizes Sizes =
        new(2, Heads, KeyHeads, Length, Length, Dimension, Dimension);

    private readonly float[] query = Floats(2 * Heads * Length * Dimension, 1);
    private readonly float[] key = Floats(2 * KeyHeads * Length * Dimension, 2);
    private readonly float[] value = Floats(2 * KeyHeads * Length * Dimension, 3);
    private readonly float[] gradient = Floats(2 * Heads * Length * Dimension, 4);

    [Fact]
    public void TensorSpans_OfPermutedTensors_EqualDenseCalls()
    {
        AttentionOptions options = new() { Causal = CausalAlignment.TopLeft };
        (float[] expected, float[] sums, float[][] gradients) = Dense(default, options);
        Transposed q = new(query, Heads), k = new(key, KeyHeads), v = new(value, KeyHeads);
        Transposed output = new(new float[query.Length], Heads), dOut = new(gradient, Heads);
        Transposed dq = new(new float[query.Length], Heads);
        Transposed dk = new(new float[key.Length], KeyHeads);
        Transposed dv = new(new float[value.Length], KeyHeads);
        float[] ownSums = new float[sums.Length];
        Attention.Forward<float>(q.Span, k.Span, v.Span, options, output.Span,
            logSumExp: ownSums);
        Attention.Backward<float>(q.Span, k.Span, v.Span, output.Span, ownSums, dOut.Span, options,
            dq.Span, dk.Span, dv.Span);
        Assert.Equal(expected, output.HeadMajor());
        Assert.Equal(sums, ownSums);
        Assert.Equal(gradients[0], dq.HeadMajor());
        Assert.Equal(gradients[1], dk.HeadMajor());
        Assert.Equal(gradients[2], dv.HeadMajor());
    }

    /// <summary>Query, key and value of one buffer [B, S, 3, H, D], their gradients of another:
    /// axes of size 1 have no stride of their own.</summary>
    [Theory]
    [InlineData(2, 4)]
    [InlineData(1, 4)]
    [InlineData(3, 1)]
    [InlineData(1, 1)]
    public void TensorSpans_OfPackedTensors_EqualDenseCalls(int batch, int length)
    {
        const int heads = 2, width = 4;
        int count = batch * length * heads * width;
        float[] packed = Floats(3 * count, 7), packedGradient = new float[3 * count];
        float[] output = new float[count], sums = new float[batch * heads * length];
        float[] dOut = Floats(count, 8);
        Attention.Forward<float>(Part(packed, 0), Part(packed, 1), Part(packed, 2), default,
            Whole(output), logSumExp: sums);
        Attention.Backward<float>(Part(packed, 0), Part(packed, 1), Part(packed, 2),
            Whole(output), sums, Whole(dOut), default, Part(packedGradient, 0),
            Part(packedGradient, 1), Part(packedGradient, 2));

        AttentionSizes sizes = new(batch, heads, heads, length, length, width, width);
        float[][] dense = [Dense(0), Dense(1), Dense(2)];
        float[] expected = new float[count];
        float[][] gradients = [new float[count], new float[count], new float[count]];
        Attention.Forward<float>(
            dense[0], dense[1], dense[2], default, sizes, default, expected, sums);
        Attention.Backward<float>(dense[0], dense[1], dense[2], expected, sums, dOut, default,
            sizes, default, gradients[0], gradients[1], gradients[2]);
        Assert.Equal(expected, output);
        for (int part = 0; part < 3; part++)
        {
            for (int i = 0; i < count; i++)
                Assert.Equal(gradients[part][i], packedGradient[Place(i, part)]);
        }

        TensorSpan<float> Whole(float[] data) => new(data, [batch, heads, length, width]);
        TensorSpan<float> Part(float[] data, int part) => new(
            data.AsSpan(part * heads * width), [batch, heads, length, width],
            [batch > 1 ? length * 3 * heads * width : 0, width,
                length > 1 ? 3 * heads * width : 0, 1]);
        float[] Dense(int part) =>
            [.. Enumerable.Range(0, count).Select(i => packed[Place(i, part)])];
        int Place(int i, int part)
        {
            (int row, int d) = Math.DivRem(i, width);
            (int outer, int s) = Math.DivRem(row, length);
            (int b, int h) = Math.DivRem(outer, heads);
            return (((((((b * length) + s) * 3) + part) * heads) + h) * width) + d;
        }
    }

    [Fact]
    public void TensorSpans_ThatDoNotFit_AreRefused()
    {
        ArgumentException rank = Assert.Throws<ArgumentException>(() => Attention.Forward<float>(
            new ReadOnlyTensorSpan<float>(query), new ReadOnlyTensorSpan<float>(key),
            new ReadOnlyTensorSpan<float>(value), default, new TensorSpan<float>(query)));
        Assert.Equal("FusedAttention: 'query' has rank 1; expected 4, [B, H, S, D]. Reshape it; " +
            "[B, S, H, D] is permuted, not copied.", rank.Message);
        ArgumentException shape = Assert.Throws<ArgumentException>(() =>
        {
            ReadOnlyTensorSpan<float> q = new(query, [2, Heads, Length, Dimension]);
            ReadOnlyTensorSpan<float> k = new(key, [2, KeyHeads, Length, Dimension]);
            ReadOnlyTensorSpan<float> v = new(value, [2, KeyHeads, Dimension, Length]);
            Attention.Forward<float>(q, k, v, default,
                new TensorSpan<float>(new float[query.Length], [2, Heads, Length, Dimension]));
        });
        Assert.Equal("FusedAttention: 'value' has shape [2, 2, 24, 70]; expected [2, 2, 70, 70] " +
            "to match the others. Pass tensors of one call.", shape.Message);
        ArgumentException one = Assert.Throws<ArgumentException>(() =>
        {
            ReadOnlyTensorSpan<float> q = new(query, [2, Heads, Length, Dimension]);
            ReadOnlyTensorSpan<float> k =
                new(key, [2, KeyHeads, Length, Dimension], [0, 0, 0, 1]);
            Attention.Forward<float>(q, k, k, default,
                new TensorSpan<float>(new float[query.Length], [2, Heads, Length, Dimension]));
        });
        Assert.Equal("FusedAttention: 'key' is one row, broadcast over batch, heads and " +
            "sequence; expected a stride on one of them. Copy it along one axis.", one.Message);
    }

    [Fact]
    public void TensorSpans_TakeNoOtherPlaces()
    {
        Refused("QueryStrides", new AttentionExtras { QueryStrides = new(1, 2, 3) });
        Refused("OutputStrides", new AttentionExtras { OutputStrides = new(1, 2, 3) });
        Refused("QueryOffsets", new AttentionExtras { QueryOffsets = [0, 1, 2] });
        Refused("KeyOffsets", new AttentionExtras { KeyOffsets = [0, 1, 2] });
        Refused("BlockTable", new AttentionExtras { BlockTable = [0, 1] });

        void Refused(string argument, in AttentionExtras extras)
        {
            string? message = null;
            try
            {
                ReadOnlyTensorSpan<float> q = new(query, [2, Heads, Length, Dimension]);
                ReadOnlyTensorSpan<float> k = new(key, [2, KeyHeads, Length, Dimension]);
                Attention.Forward<float>(q, k, k, default,
                    new TensorSpan<float>(new float[query.Length], q.Lengths), extras);
            }
            catch (ArgumentException exception)
            {
                message = exception.Message;
            }

            Assert.Equal($"FusedAttention: 'extras.{argument}' is given with tensor spans; " +
                "expected none, because a tensor span brings its strides. Leave it out, or pass " +
                "plain spans.", message);
        }
    }

    [Fact]
    public void HalfAndBFloat16_RoundOnceWhatFloatsGive()
    {
        Half[] q = [.. query.Select(x => (Half)x)], k = [.. key.Select(x => (Half)x)];
        Half[] v = [.. value.Select(x => (Half)x)], output = new Half[query.Length];
        Attention.Forward<Half>(q, k, v, default, Sizes, default, output);
        float[] exact = new float[query.Length];
        Attention.Forward([.. q.Select(x => (float)x)], [.. k.Select(x => (float)x)],
            [.. v.Select(x => (float)x)], Sizes, default, exact);
        Assert.Equal(exact.Select(x => (Half)x), output);

        BFloat16[] bq = [.. query.Select(x => (BFloat16)x)], bk = [.. key.Select(x => (BFloat16)x)];
        BFloat16[] bv = [.. value.Select(x => (BFloat16)x)], bo = new BFloat16[query.Length];
        Attention.Forward<BFloat16>(bq, bk, bv, default, Sizes, default, bo);
        Attention.Forward([.. bq.Select(x => (float)x)], [.. bk.Select(x => (float)x)],
            [.. bv.Select(x => (float)x)], Sizes, default, exact);
        Assert.Equal(exact.Select(x => (BFloat16)x), bo);
    }

    [Fact]
    public unsafe void Pointers_EqualSpans()
    {
        float[] expected = Dense(default, default).Output, output = new float[query.Length];
        fixed (float* q = query, k = key, v = value, o = output)
        {
            Attention.Forward(new AttentionForward
            {
                Inputs = new()
                {
                    Query = BufferView.Of(q, query.Length),
                    Key = BufferView.Of(k, key.Length),
                    Value = BufferView.Of(v, value.Length),
                    Sizes = Sizes,
                },
                Output = BufferView.Of(o, output.Length),
            });
        }

        Assert.Equal(expected, output);
    }

    [Fact]
    public void Modifiers_EqualTheBuiltInOptions()
    {
        float[] slopes = [0.5f, 0.25f, 0.125f, 0.0625f];
        Close(new AttentionExtras { AlibiSlopes = slopes }, default, new AlibiModifier(slopes, 0));
        Close(default, new() { SoftCap = 3 }, new SoftCapModifier(3));
        Close(default, new() { Causal = CausalAlignment.TopLeft, Window = new(9, -1) },
            new SlidingWindowMask(9));
        int[] documents = [.. Enumerable.Range(0, 2 * Length).Select(i => i % Length / 25)];
        bool[] mask = new bool[2 * Length * Length];
        for (int i = 0; i < mask.Length; i++)
        {
            mask[i] = documents[i / Length % Length] == documents[i % Length];
        }

        Close(new AttentionExtras { Mask = mask, MaskShape = new(2, 1, Length, Length) }, default,
            new DocumentMask(documents, Length));
        float[] decay = [.. Enumerable.Range(0, Length * Length).Select(i =>
            -2 * MathF.Tanh(Math.Abs((i / Length) - (i % Length)) / 8f))];
        Close(new AttentionExtras { Bias = decay, BiasShape = new(Length, Length) }, default,
            new DistanceDecayModifier(2, 8));
    }

    [Fact]
    public void Modifiers_AllocateNothing()
    {
        float[] output = new float[query.Length];
        float[] slopes = [0.5f, 0.25f, 0.125f, 0.0625f];
        AlibiModifier modifier = new(slopes, 0);
        Assert.Equal(0, ManagedAllocations.Least(Run, warmUp: 30));

        void Run() => Attention.Forward<float, AlibiModifier>(
            query, key, value, default, Sizes, default, modifier, output);
    }

    [Fact]
    public void Modifier_WithoutDerivative_IsRefusedBackward()
    {
        AttentionExtras extras = new() { Score = ScoreModifier.Of(new SoftCapModifier(3)) };
        float[] output = new float[query.Length], sums = new float[2 * Heads * Length];
        Attention.Forward(query, key, value, extras, Sizes, default, output, sums);
        NotSupportedException exception = Assert.Throws<NotSupportedException>(() =>
            Attention.Backward(query, key, value, output, sums, gradient,
                new AttentionExtras { Score = ScoreModifier.Of(new SoftCapModifier(3)) }, Sizes,
                default, new float[query.Length], new float[key.Length],
                new float[value.Length]));
        Assert.Equal("FusedAttention: backend 'simd' cannot run this call: score modifier " +
            "'SoftCapModifier' has no derivative; implement IDifferentiableScoreModifier. Choose " +
            "another backend or option.",
            exception.Message);
    }

    [Fact]
    public void TwoModifiers_AreRefused()
    {
        ArgumentException exception = Assert.Throws<ArgumentException>(() =>
            Attention.Forward<float, SoftCapModifier>(query, key, value,
                new AttentionExtras { Score = ScoreModifier.Of(new SoftCapModifier(3)) }, Sizes,
                default, new SoftCapModifier(2), new float[query.Length]));
        Assert.Equal("FusedAttention: two score modifiers are given, 'SoftCapModifier' among the " +
            "extras and another as an argument; expected one. Compose them in one struct.",
            exception.Message);
    }

    private void Close<TScore>(
        in AttentionExtras extras, in AttentionOptions options, TScore modifier)
        where TScore : struct, IDifferentiableScoreModifier
    {
        (float[] expected, float[] sums, float[][] gradients) = Dense(extras, options);
        float[] output = new float[query.Length], ownSums = new float[sums.Length];
        float[][] own =
            [new float[query.Length], new float[key.Length], new float[value.Length]];
        Attention.Forward<float, TScore>(
            query, key, value, default, Sizes, default, modifier, output, ownSums);
        Attention.Backward<float, TScore>(query, key, value, output, ownSums, gradient, default,
            Sizes, default, modifier, own[0], own[1], own[2]);
        // Sums over 70 keys and 24 dimensions of terms below 1, in another association.
        AssertClose(expected, output, 2e-6f);
        AssertClose(sums, ownSums, 2e-6f);
        for (int i = 0; i < 3; i++) AssertClose(gradients[i], own[i], 2e-6f);
    }

    private (float[] Output, float[] Sums, float[][] Gradients) Dense(
        in AttentionExtras extras, in AttentionOptions options)
    {
        float[] output = new float[query.Length], sums = new float[2 * Heads * Length];
        float[] dq = new float[query.Length], dk = new float[key.Length];
        float[] dv = new float[value.Length];
        Attention.Forward(query, key, value, extras, Sizes, options, output, sums);
        Attention.Backward(query, key, value, output, sums, gradient, extras, Sizes, options, dq,
            dk, dv);
        return (output, sums, [dq, dk, dv]);
    }

    private static void AssertClose(float[] expected, float[] actual, float tolerance)
    {
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], tolerance);
    }

    private static float[] Floats(int count, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() - 0.5))];
    }

    /// <summary>[B, H, S, D] stored as [B, S, H, D].</summary>
    private sealed class Transposed
    {
        private readonly float[] stored;
        private readonly int heads;

        public Transposed(float[] headMajor, int heads)
        {
            this.heads = heads;
            stored = new float[headMajor.Length];
            for (int i = 0; i < stored.Length; i++) stored[Index(i)] = headMajor[i];
        }

        public TensorSpan<float> Span => new(stored, [2, heads, Length, Dimension],
            [heads * Length * Dimension, Dimension, heads * Dimension, 1]);

        public float[] HeadMajor() =>
            [.. Enumerable.Range(0, stored.Length).Select(i => stored[Index(i)])];

        private int Index(int i)
        {
            (int row, int d) = Math.DivRem(i, Dimension);
            (int outer, int s) = Math.DivRem(row, Length);
            (int b, int h) = Math.DivRem(outer, heads);
            return (((((b * Length) + s) * heads) + h) * Dimension) + d;
        }
    }
}
