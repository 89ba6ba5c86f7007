using Transformer.Layers;
using Transformer.Ops;

namespace Transformer.Tests.Layers;

/// <summary>What does not fit is refused with what was given, what was expected and what to do.
/// </summary>
public sealed class MultiHeadAttentionErrorTests
{
    private static readonly MultiHeadAttentionOptions Options = new()
    {
        Width = 8, Heads = 4, KeyValueHeads = 2,
    };

    private static readonly MultiHeadAttention Layer = new(Options);

    [Fact]
    public void Options_ThatDoNotFit()
    {
        Refused(() => _ = new MultiHeadAttention(Options with { Width = 0 }),
            "'Width' is 0; expected 1 or more. Pass the tensors' size.");
        Refused(() => _ = new MultiHeadAttention(Options with { Heads = -1 }),
            "'Heads' is -1; expected 1 or more. Pass the tensors' size.");
        Refused(() => _ = new MultiHeadAttention(Options with { MemoryWidth = -2 }),
            "'MemoryWidth' is -2; expected 0 or more. Pass the tensors' size.");
        Refused(() => _ = new MultiHeadAttention(Options with { Heads = 3, KeyValueHeads = 1 }),
            "'Width' is 8, which is not a multiple of 'Heads' 3. Choose a divisor, or set " +
            "'HeadDimension'.");
        Refused(() => _ = new MultiHeadAttention(Options with { KeyValueHeads = 3 }),
            "'Heads' is 4, which is not a multiple of 'KeyValueHeads' 3. Choose a divisor, or 0 " +
            "for as many.");
        Refused(() => _ = new MultiHeadAttention(Options with { HeadDimension = 1 << 28 }),
            "the projections have more than 2147483527 weights. Use a smaller width or fewer " +
            "heads.");
        RotaryOptions rotary = new() { MaxPositions = 4 };
        Refused(() => _ = new MultiHeadAttention(
            Options with { Rotary = rotary with { MaxPositions = 0 } }),
            "'Rotary.MaxPositions' is 0; expected 1 or more. Pass the tensors' size.");
        Refused(() => _ = new MultiHeadAttention(
            Options with { Rotary = rotary with { MaxPositions = int.MaxValue } }),
            "'Rotary.MaxPositions' is 2147483647; expected at most 2147483591 for 2 rotated " +
            "elements. Use as many as the longest sequence has.");
        Refused(() => _ = new MultiHeadAttention(
            Options with { Rotary = rotary with { Dimension = 4 } }),
            "'Rotary.Dimension' is 4; expected an even number from 2 to HeadDimension 2. Use 0 " +
            "for the whole of an even head.");
        Refused(() => _ = new MultiHeadAttention(
            Options with { Rotary = rotary with { Theta = double.NaN } }),
            "'Rotary.Theta' is NaN; expected a number from 5E-324 to 1.7976931348623157E+308. " +
            "Check how it was computed, or leave it out for the default.");
    }

    [Fact]
    public void Weights_ThatDoNotFit()
    {
        float[] q = new float[64], k = new float[32], bias = new float[4];
        Refused(() => Layer.Load(new() { Query = q, Key = k, Value = q, Output = q }),
            "'value' has 64 elements; expected 32 for [4, 8]. Pass the weights of a layer of " +
            "these sizes, [output features, input features].");
        Refused(() => Layer.Load(new() { Query = q, Key = k, Value = k, Output = q,
            QueryBias = bias }),
            "'queryBias' has 4 elements; expected 8, or none for zeros. Pass the bias of a layer " +
            "of these sizes.");
        MultiHeadAttention unbiased = new(Options with { Bias = false });
        Refused(() => unbiased.Load(new() { Query = q, Key = k, Value = k, Output = q,
            KeyBias = bias }),
            "'keyBias' has 4 elements; this layer has no biases. Set 'Bias' in its options, or " +
            "leave the bias out.");
        Refused(() => Layer.LoadPyTorch(new float[192], [], q, []),
            "PyTorch's 'in_proj_weight' is [3·Width, Width]; this layer's projections are [8, 8] " +
            "and twice [4, 8]. Use Load with separate matrices.");
        MultiHeadAttention square = new(Options with { KeyValueHeads = 0 });
        Refused(() => square.LoadPyTorch(q, [], q, []),
            "'inProjectionWeight' has 64 elements; expected 192 for [24, 8]. Pass the weights of " +
            "a layer of these sizes, [output features, input features].");
        Refused(() => square.LoadPyTorch(new float[192], bias, q, []),
            "'inProjectionBias' has 4 elements; expected 24, or none for zeros. Pass the bias of " +
            "a layer of these sizes.");
    }

    [Fact]
    public void Spans_ThatDoNotFit()
    {
        float[] x = new float[24];
        Refused(() => Layer.Forward(x, 2, 2, default, new float[32]),
            "'input' has 24 elements; expected 32 for [4, 8]. Pass as many rows as batch and " +
            "length say.");
        Refused(() => Layer.Forward(x, 1, 3, default, new float[23]),
            "'output' has 23 elements; expected 24 for [3, 8]. Pass as many rows as batch and " +
            "length say.");
        Refused(() => Layer.Forward(x, x, 1, 3, 4, default, x),
            "'memory' has 24 elements; expected 32 for [4, 8]. Pass as many rows as batch and " +
            "length say.");
        Refused(() => Layer.Forward(x, -1, 3, default, x),
            "'batch' is -1; expected 0 or more. Pass the tensors' size.");
        Refused(() => Layer.Forward(x, 1 << 16, 1 << 15, default, x),
            "65536 sequences of 32768 positions are 2147483648 rows; expected at most " +
            "2147483647. Split the batch.");
        MultiHeadAttention cross = new(Options with { MemoryWidth = 6 });
        Refused(() => cross.Forward(x, 1, 3, default, x),
            "the layer's memory has width 6 and its input 8; self-attention needs one width. " +
            "Pass a memory, too.");
        MultiHeadAttention rotary = new(Options with { Rotary = new() { MaxPositions = 2 } });
        Refused(() => rotary.Forward(x, 1, 3, default, x),
            "'length' is 3; expected at most 2, the layer's Rotary.MaxPositions. Make the layer " +
            "with more.");
    }

    [Fact]
    public void Extras_ThatAreTheLayersOwn()
    {
        float[] x = new float[24];
        Refused(() => Layer.Forward(x, 1, 3, default, x, new() { KeyStrides = new(1, 1, 1) }),
            "'extras' has strides; the layer's projections lie in memory of its own. Leave them " +
            "out.");
        Refused(() => Layer.Forward(x, 1, 3, default, x, new() { PageSize = 16 }),
            "'extras' has a block table; only caches are paged. Leave it out, or call Step with " +
            "a paged KvCache.");
        MultiHeadAttention alibi = new(Options with { Alibi = true });
        Refused(() => alibi.Forward(x, 1, 3, default, x, new() { AlibiSlopes = x.AsSpan(0, 4) }),
            "'extras' has ALiBi slopes, and so has the layer. Leave one out.");
        Refused(() => Layer.Forward(x, 2, 2, default, x, new() { QueryOffsets = (int[])[0, 3] }),
            "'extras.QueryOffsets' has 2 elements; expected 3, one more than sequences. Pass " +
            "cumulative lengths from 0 on.");
        Refused(
            () => Layer.Forward(x, 2, 2, default, x, new() { QueryOffsets = (int[])[0, 3, 3] }),
            "'extras.QueryOffsets[0..1]' is 0, 3; expected offsets that rise by 0 to the length " +
            "2. Pass cumulative lengths, and the longest as length.");
        Refused(() => Layer.Forward(x, 1, 2, default, x, new() { QueryOffsets = (int[])[1, 3] }),
            "'extras.QueryOffsets[0]' is 1; expected 0. Pass cumulative lengths from 0 on.");
        Refused(() => Layer.Forward(x, 1, 3, default, x, new() { KeyOffsets = (int[])[0, 3] }),
            "'extras.KeyOffsets' differ from 'extras.QueryOffsets'; self-attention has one set " +
            "of rows. Leave the key offsets out.");
    }

    [Fact]
    public void Steps_ThatDoNotFit_LeaveTheCacheAsItWas()
    {
        float[] x = LayerProblem.Random(1, 16);
        using KvCache cache = new(new(2, 4, 2, 2)), other = new(new(2, 4, 2, 3));
        Layer.Step(x, 1, cache, default, x);
        Refused(() => Layer.Step(x, 1, other, default, x),
            "'cache' has 2 heads of 3 and 3; expected 2 of 2 and 2. Make one with the layer's " +
            "Options.");
        Refused(() => Layer.Step(x, 2, cache, default, x),
            "'input' has 16 elements; expected 32 for [4, 8]. Pass as many rows as batch and " +
            "length say.");
        Refused(() => Layer.Step(x, 0, cache, default, x),
            "'newLength' is 0; expected 1 or more. Step with at least one new row a sequence.");
        Refused(() => Layer.Step(x, 1, cache, default, x, new() { KeyLengths = (int[])[1, 1] }),
            "'extras' has key lengths, offsets or a block mask; over a cache the rows that it " +
            "holds decide. Leave them out.");
        MultiHeadAttention rotary = new(Options with { Rotary = new() { MaxPositions = 1 } });
        Refused(() => rotary.Step(x, 1, cache, default, x),
            "sequence 0 of 'cache' holds 1 rows and gets 1 more; expected at most 1 in all, the " +
            "layer's Rotary.MaxPositions. Make the layer with more.");
        RefusedBy("KvCache", () => Layer.Step(
            x, 1, cache, new() { Causal = CausalAlignment.TopLeft }, x),
            "'Causal' is TopLeft; expected BottomRight, which is also the default here. Leave it " +
            "out.");
        RefusedBy("FusedAttention", () => Layer.Step(
            x, 1, cache, default, x, new() { Sinks = x.AsSpan(0, 3) }),
            "'sinks' has 3 elements; expected 4 for shape [4]. Pass a buffer of that size.");
        float[] most = new float[64];
        RefusedBy("KvCache", () => Layer.Step(most, 4, cache, default, most),
            "sequence 0 holds 1 rows and gets 4 more; expected at most 4 in all. Make a cache of " +
            "larger capacity, or truncate the sequence.");
        Assert.Equal([1, 1], cache.Lengths.ToArray());
        Assert.Equal([1, 1], cache.KeyLengths.AsSpan<int>().ToArray());
    }

    [Fact]
    public void Tapes_OfOtherCalls()
    {
        float[] x = new float[24];
        MultiHeadAttentionTape tape = new();
        Refused(() => Layer.Backward(x, x, tape, x, default),
            "'tape' holds no finished forward call; expected self-attention of this layer. Pass " +
            "the tape that the forward call was given.");
        Layer.Forward(x, x, 1, 3, 3, default, x, tape: tape);
        Refused(() => Layer.Backward(x, x, tape, x, default),
            "'tape' holds cross-attention; expected self-attention of this layer. Pass the tape " +
            "that the forward call was given.");
        MultiHeadAttention other = new(Options);
        other.Forward(x, 1, 3, default, x, tape: tape);
        Refused(() => Layer.Backward(x, x, tape, x, default),
            "'tape' holds a forward call of another layer; expected self-attention of this " +
            "layer. Pass the tape that the forward call was given.");
        Layer.Forward(x, 1, 3, default, x, tape: tape);
        Refused(() => Layer.Backward(x, new float[8], tape, x, default),
            "'outputGradient' has 8 elements; expected 24 for [3, 8]. Pass as many rows as batch " +
            "and length say.");
        Refused(() => Layer.Backward(x, x, tape, x, new() { OutputBias = x }),
            "'gradients.OutputBias' has 24 elements; expected 8, as the layer's parameter has. " +
            "Pass a span of that size, or none.");
        Refused(() => Layer.Backward(
            x, x, tape, x, default, new() { QueryOffsets = (int[])[0, 2] }),
            "'extras' describe 2 and 2 rows; the forward call had 3 and 3. Pass the forward " +
            "call's extras.");

        // A call that fails leaves nothing that a backward call could take.
        Assert.ThrowsAny<ArgumentException>(() => Layer.Forward(
            x, 1, 3, new() { SoftCap = -1 }, x, tape: tape));
        Refused(() => Layer.Backward(x, x, tape, x, default),
            "'tape' holds no finished forward call; expected self-attention of this layer. Pass " +
            "the tape that the forward call was given.");
    }

    [Fact]
    public void RefusedBackward_ChangesNoGradient()
    {
        float[] x = [.. Enumerable.Range(0, 24).Select(i => MathF.Sin(i))], y = new float[24];
        MultiHeadAttentionTape tape = new();
        MultiHeadAttention layer = new(Options);
        layer.Load(new()
        {
            Query = x[..8].Concat(new float[56]).ToArray(), Key = new float[32],
            Value = Enumerable.Repeat(0.5f, 32).ToArray(),
            Output = Enumerable.Repeat(0.25f, 64).ToArray(),
        });
        layer.Forward(x, 1, 3, default, y, tape: tape);
        float[] weight = new float[64], bias = new float[8];
        Refused(() => layer.Backward(
            x, x, tape, [], new() { OutputWeight = weight, OutputBias = bias },
            default, new() { Sinks = new float[2] }),
            "'extraGradients.Sinks' has 2 elements; the forward call was given no sinks. Leave " +
            "it out.");
        RefusedBy("Linear", () => layer.Backward(
            x, y, tape, x, new() { OutputWeight = weight, OutputBias = bias }),
            "'inputGradient' overlaps 'input'. Pass separate buffers.");
        Refused(() => layer.Backward(x, y, tape, weight.AsSpan(0, 24),
            new() { OutputWeight = weight, OutputBias = bias }),
            "'inputGradient' overlaps 'gradients.OutputWeight'. Pass separate buffers.");
        Assert.ThrowsAny<ArgumentException>(() => layer.Backward(
            x, y, tape, [], new() { OutputWeight = weight, OutputBias = bias },
            new() { Sinks = new float[3] }, new() { Sinks = new float[3] }));
        Assert.All(weight.Concat(bias), value => Assert.Equal(0, value));

        // The same buffers take the gradients of a call that fits.
        layer.Backward(x, y, tape, y, new() { OutputWeight = weight, OutputBias = bias });
        Assert.Contains(bias, value => value != 0);
    }

    private static void Refused(Action call, string message) =>
        RefusedBy("MultiHeadAttention", call, message);

    private static void RefusedBy(string part, Action call, string message) =>
        Assert.Equal($"{part}: {message}", Assert.ThrowsAny<ArgumentException>(call).Message);
}
