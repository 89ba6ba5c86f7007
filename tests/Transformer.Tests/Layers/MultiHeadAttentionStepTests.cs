using Transformer.Backends;
using Transformer.Layers;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Support;

namespace Transformer.Tests.Layers;

/// <summary>Steps over a cache are the causal whole.</summary>
public sealed class MultiHeadAttentionStepTests
{
    private const int Width = 64, Length = 115;

    /// <summary>Sums of 64 terms added up in two orders, roundings of 6e-8 each, weighted by a
    /// softmax: what separates a product of few rows from one of many.</summary>
    private const double Tolerance = 4e-6;

    private static readonly MultiHeadAttentionOptions Plain = new()
    {
        Width = Width, Heads = 4, KeyValueHeads = 2, HeadDimension = 12,
    };

    private static readonly RotaryOptions Rotary = new() { MaxPositions = Length, Dimension = 8 };

    public static TheoryData<MultiHeadAttentionOptions, AttentionOptions> Layers => new()
    {
        { Plain, default },
        { Plain with { Rotary = Rotary }, default },
        { Plain with { Rotary = Rotary with { Interleaved = true } }, new() { SoftCap = 2 } },
        { Plain with { Alibi = true, Bias = false }, new() { Window = new(9, 0) } },
    };

    // Batch 2: from 33 new positions on, products take their way for many rows, as the whole.
    [Theory]
    [MemberData(nameof(Layers))]
    public void StepsOfManyRows_AreTheWhole_BitForBit(
        MultiHeadAttentionOptions layer, AttentionOptions options)
    {
        LayerProblem problem = new(layer);
        float[] input = Input(), whole = Whole(problem.Layer, input, options);
        foreach (bool paged in (bool[])[false, true])
        {
            using KvPagePool pool = new(new(16, 16, 2, 12));
            using KvCache cache = paged ? new(pool, 2, Length) : new(new(2, Length, 2, 12));
            Assert.Equal(whole, Steps(problem.Layer, input, cache, options, [37, 33, 45]));
        }
    }

    // The reference adds up in one order, and in double.
    [Theory]
    [MemberData(nameof(Layers))]
    public void StepsOfAnyRows_AreTheWhole_BitForBitOnTheReference(
        MultiHeadAttentionOptions layer, AttentionOptions options)
    {
        LayerProblem problem = new(layer);
        Backend reference = BackendRegistry.Reference;
        float[] input = Input(), whole = Whole(problem.Layer, input, options, reference);
        using KvCache cache = new(new(2, Length, 2, 12), reference);
        Assert.Equal(whole, Steps(problem.Layer, input, cache, options, [40, 1, 1, 2, 71]));
    }

    [Theory]
    [MemberData(nameof(Layers))]
    public void SingleSteps_AreTheWhole(MultiHeadAttentionOptions layer, AttentionOptions options)
    {
        LayerProblem problem = new(layer);
        float[] input = Input(), whole = Whole(problem.Layer, input, options);
        using KvCache cache = new(new(2, Length, 2, 12));
        int[] counts = [84, .. Enumerable.Repeat(1, 31)];
        float[] steps = Steps(problem.Layer, input, cache, options, counts);
        Numbers.Close(
            LayerProblem.Doubles(whole), LayerProblem.Doubles(steps), Tolerance, "output");

        // Other chunks of few rows add up in the same order: the bits stay.
        cache.Reset();
        counts = [84, .. Enumerable.Repeat(1, 11), 3, 3, 3, 3, .. Enumerable.Repeat(1, 8)];
        Assert.Equal(steps, Steps(problem.Layer, input, cache, options, counts));
    }

    [Theory]
    [InlineData(DType.Float16, 1.0 / 1024)]
    [InlineData(DType.BFloat16, 1.0 / 128)]
    public void CachesOfSixteenBits_RoundKeysAndValuesAlone(DType dtype, double tolerance)
    {
        LayerProblem problem = new(Plain with { Rotary = Rotary });
        float[] input = Input(), whole = Whole(problem.Layer, input, default);
        using KvCache cache = new(new(2, Length, 2, 12, DType: dtype));
        float[] steps = Steps(problem.Layer, input, cache, default, [94, 1, 20]);
        // Half a unit in the last of 11 or 8 bits, and as much again through the softmax.
        Numbers.Close(
            LayerProblem.Doubles(whole), LayerProblem.Doubles(steps), tolerance, "output");
        Assert.NotEqual(whole, steps);
    }

    [Fact]
    public void SequencesOfDifferentLengths_StandAtPositionsOfTheirOwn()
    {
        LayerProblem problem = new(Plain with { Rotary = Rotary });
        float[] input = Input();
        using KvCache both = new(new(2, Length, 2, 12)), alone = new(new(1, Length, 2, 12));
        float[] output = new float[2 * 20 * Width], single = new float[20 * Width];
        float[] prompt = [.. input[..(20 * Width)], .. input[(Length * Width)..][..(20 * Width)]];
        problem.Layer.Step(prompt, 20, both, default, output);
        both.Truncate(1, 4);
        problem.Layer.Step(prompt.AsSpan(20 * Width), 20, alone, default, single);
        alone.Truncate(4);
        problem.Layer.Step(
            prompt.AsSpan(0, 6 * Width), 3, both, default, output.AsSpan(0, 6 * Width));
        problem.Layer.Step(
            prompt.AsSpan(3 * Width, 3 * Width), 3, alone, default, single.AsSpan(0, 3 * Width));
        Assert.Equal([23, 7], both.Lengths.ToArray());
        Assert.Equal(single[..(3 * Width)], output[(3 * Width)..(6 * Width)]);
    }

    [Fact]
    public void Extras_ReachTheStep()
    {
        LayerProblem problem = new(Plain);
        float[] input = Input();
        bool[] mask = [.. Enumerable.Range(0, Length).Select(i => i % 3 != 1)];
        float[] sinks = [0.5f, 1, -1, 2], bias = LayerProblem.Random(3, Length);
        AttentionExtras extras = new()
        {
            Mask = mask, MaskShape = new(Length), Sinks = sinks, Bias = bias,
            BiasShape = new(Length),
        };
        float[] whole = new float[input.Length], step = new float[input.Length];
        problem.Layer.Forward(
            input, 2, Length, new() { Causal = CausalAlignment.TopLeft }, whole, extras);
        using KvCache cache = new(new(2, Length, 2, 12));
        problem.Layer.Step(input, Length, cache, default, step, extras);
        Assert.Equal(whole, step);
        problem.Layer.Forward(
            input, 2, Length, new() { Causal = CausalAlignment.TopLeft }, whole);
        Assert.NotEqual(whole, step);
    }

    [Theory]
    [InlineData("simd", 64, false)]
    [InlineData("simd", 20, true)]
    [InlineData("reference", 20, false)]
    public void AMemoryThatIsProjectedOnce_GivesTheBitsOfCrossAttention(
        string name, int memoryWidth, bool paged)
    {
        Backend backend = BackendRegistry.Find(name);
        MultiHeadAttention layer = new LayerProblem(Plain with
        {
            MemoryWidth = memoryWidth, Rotary = memoryWidth == 20 ? Rotary : null,
        }).Layer;
        float[] memory = LayerProblem.Random(5, 2 * 19 * memoryWidth);
        using KvPagePool pool = new(new(4, 16, 2, 12), backend);
        using KvCache cache = paged ? new(pool, 2, 19) : new(new(2, 19, 2, 12), backend);
        layer.AppendMemory(memory, 19, cache);
        cache.Truncate(1, 8);
        foreach (int length in (int[])[1, 9])
        {
            float[] query = LayerProblem.Random(length, 2 * length * Width);
            float[] expected = new float[query.Length], output = new float[query.Length];
            AttentionOptions options = new() { SoftCap = 3 };
            layer.Forward(query, memory, 2, length, 19, options, expected,
                new() { KeyLengths = (int[])[19, 8] }, backend: backend);
            layer.Forward(query, length, cache, options, output);
            Assert.Equal(expected, output);
        }

        Assert.Equal([19, 8], cache.Lengths.ToArray());
    }

    [Fact]
    public void AMaskWithoutKeys_HidesAllOfThem()
    {
        MultiHeadAttention layer = new LayerProblem(Plain).Layer;
        float[] input = LayerProblem.Random(4, 2 * Width), output = new float[input.Length];
        using KvCache cache = new(new(2, 1, 2, 12));
        layer.Step(input, 1, cache, default, output, new() { MaskShape = new(0) });
        Assert.Equal([.. layer.OutputBias, .. layer.OutputBias], output);
    }

    private static float[] Input() => LayerProblem.Random(9, 2 * Length * Width);

    private static float[] Whole(
        MultiHeadAttention layer, float[] input, AttentionOptions options,
        Backend? backend = null)
    {
        float[] output = new float[input.Length];
        layer.Forward(input, 2, Length, options with { Causal = CausalAlignment.TopLeft },
            output, backend: backend);
        return output;
    }

    private static float[] Steps(
        MultiHeadAttention layer, float[] input, KvCache cache, AttentionOptions options,
        int[] counts)
    {
        Assert.Equal(Length, counts.Sum());
        float[] output = new float[input.Length];
        int done = 0;
        foreach (int count in counts)
        {
            float[] rows = new float[2 * count * Width], result = new float[rows.Length];
            for (int b = 0; b < 2; b++)
            {
                input.AsSpan(((b * Length) + done) * Width, count * Width)
                    .CopyTo(rows.AsSpan(b * count * Width));
            }

            layer.Step(rows, count, cache, options, result);
            for (int b = 0; b < 2; b++)
            {
                result.AsSpan(b * count * Width, count * Width)
                    .CopyTo(output.AsSpan(((b * Length) + done) * Width));
            }

            done += count;
        }

        return output;
    }
}
