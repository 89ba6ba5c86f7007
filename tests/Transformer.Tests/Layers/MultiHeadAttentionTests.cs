using Transformer.Backends;
using Transformer.Layers;
using Transformer.Ops;
using Transformer.Tests.Support;

namespace Transformer.Tests.Layers;

/// <summary>The layer on spans against the composition of its ops, and how it may be called.
/// </summary>
public sealed class MultiHeadAttentionTests
{
    /// <summary>Binary32 against a composition that rounds to it between ops: roundings of 6e-8 in
    /// sums of up to 72 terms, and of weights in the softmax.</summary>
    private const double Tolerance = 4e-6;

    private static readonly MultiHeadAttentionOptions Grouped = new()
    {
        Width = 72, Heads = 6, KeyValueHeads = 2, HeadDimension = 10,
    };

    public static TheoryData<string, MultiHeadAttentionOptions, AttentionOptions> Cases()
    {
        TheoryData<string, MultiHeadAttentionOptions, AttentionOptions> rows = [];
        AttentionOptions causal = new() { Causal = CausalAlignment.TopLeft };
        foreach (string backend in (string[])["simd", "reference"])
        {
            rows.Add(backend, new() { Width = 8, Heads = 1 }, default);
            rows.Add(backend, new() { Width = 48, Heads = 6, Bias = false }, causal);
            rows.Add(backend, Grouped, causal with { Window = new(4, 0), SoftCap = 3 });
            rows.Add(backend, Grouped with { Rotary = new() { MaxPositions = 23 } }, causal);
            rows.Add(backend, Grouped with
            {
                KeyValueHeads = 1,
                Rotary = new()
                {
                    MaxPositions = 40, Dimension = 4, Theta = 500, Interleaved = true,
                },
            }, new() { Scale = 0.2 });
            rows.Add(backend, Grouped with { Alibi = true }, causal);
        }

        return rows;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void SelfAttention_MatchesTheComposition(
        string backend, MultiHeadAttentionOptions layer, AttentionOptions options)
    {
        LayerProblem problem = new(layer);
        float[] input = LayerProblem.Random(9, 3 * 23 * layer.Width);
        float[] output = new float[input.Length];
        bool[] mask = [.. Enumerable.Range(0, 23).Select(i => i != 5)];
        AttentionExtras extras = new()
        {
            KeyLengths = (int[])[23, 11, 1], Mask = mask, MaskShape = new(23),
        };

        problem.Layer.Forward(
            input, 3, 23, options, output, extras, backend: BackendRegistry.Find(backend));

        Numbers.Close(problem.Composed(input, input, 3, 23, 23, options, extras),
            LayerProblem.Doubles(output), Tolerance, "output");
    }

    [Theory]
    [InlineData("simd", 72)]
    [InlineData("reference", 72)]
    [InlineData("simd", 20)]
    public void CrossAttention_MatchesTheComposition(string backend, int memoryWidth)
    {
        LayerProblem problem = new(Grouped with
        {
            MemoryWidth = memoryWidth, Rotary = new() { MaxPositions = 31 },
        });
        float[] query = LayerProblem.Random(9, 2 * 7 * 72);
        float[] memory = LayerProblem.Random(10, 2 * 31 * memoryWidth);
        float[] output = new float[query.Length];
        AttentionExtras extras = new() { KeyLengths = (int[])[31, 17] };

        problem.Layer.Forward(query, memory, 2, 7, 31, default, output, extras,
            backend: BackendRegistry.Find(backend));

        Numbers.Close(problem.Composed(query, memory, 2, 7, 31, default, extras),
            LayerProblem.Doubles(output), Tolerance, "output");
    }

    [Fact]
    public void PackedSequences_GiveTheRowsOfPaddedOnes()
    {
        MultiHeadAttention layer =
            new LayerProblem(Grouped with { Rotary = new() { MaxPositions = 20 } }).Layer;
        float[] padded = LayerProblem.Random(11, 2 * 20 * 72), expected = new float[padded.Length];
        AttentionOptions causal = new() { Causal = CausalAlignment.TopLeft };
        layer.Forward(padded, 2, 20, causal, expected, new() { KeyLengths = (int[])[13, 20] });

        float[] rows = [.. padded[..(13 * 72)], .. padded[(20 * 72)..]];
        float[] output = new float[rows.Length], gradient = new float[rows.Length];
        AttentionExtras extras = new() { QueryOffsets = (int[])[0, 13, 33] };
        MultiHeadAttentionTape tape = new();
        layer.Forward(rows, 2, 20, causal, output, extras, tape: tape);
        Assert.Equal([.. expected[..(13 * 72)], .. expected[(20 * 72)..]], output);

        // The gradient of what the padding does not reach is that of the packed rows, too.
        float[] upstream = LayerProblem.Random(12, padded.Length);
        Array.Clear(upstream, 13 * 72, 7 * 72);
        float[] paddedGradient = new float[padded.Length];
        layer.Backward(
            rows, [.. upstream[..(13 * 72)], .. upstream[(20 * 72)..]], tape, gradient, default,
            extras);
        AttentionExtras lengths = new() { KeyLengths = (int[])[13, 20] };
        layer.Forward(padded, 2, 20, causal, expected, lengths, tape: tape);
        layer.Backward(padded, upstream, tape, paddedGradient, default, lengths);
        Numbers.Close(
            LayerProblem.Doubles([.. paddedGradient[..(13 * 72)], .. paddedGradient[(20 * 72)..]]),
            LayerProblem.Doubles(gradient), Tolerance, "gradient");
    }

    [Fact]
    public void Output_MayBeTheInput()
    {
        MultiHeadAttention layer = new LayerProblem(Grouped).Layer;
        float[] input = LayerProblem.Random(13, 19 * 72), output = new float[input.Length];
        layer.Forward(input, 1, 19, default, output);
        layer.Forward(input, 1, 19, default, input);
        Assert.Equal(output, input);
    }

    [Fact]
    public void EmptySizes_GiveBiasesOrNothing()
    {
        MultiHeadAttention layer = new LayerProblem(Grouped).Layer;
        layer.Forward([], 0, 5, default, []);
        layer.Forward([], 3, 0, default, []);
        float[] query = LayerProblem.Random(14, 2 * 72), output = new float[query.Length];
        MultiHeadAttentionTape tape = new();
        layer.Forward(query, [], 1, 2, 0, default, output, tape: tape);
        Assert.Equal([.. layer.OutputBias, .. layer.OutputBias], output);
        Array.Fill(output, float.NaN);
        layer.Backward(query, [], query, tape, output, [], default);
        Assert.All(output, x => Assert.Equal(0, x));

        float[] memory = LayerProblem.Random(15, 3 * 72), gradient = new float[memory.Length];
        Array.Fill(gradient, float.NaN);
        layer.Forward([], memory, 1, 0, 3, default, [], tape: tape);
        layer.Backward([], memory, [], tape, [], gradient, default);
        Assert.All(gradient, x => Assert.Equal(0, x));
    }

    [Fact]
    public void LoadPyTorch_IsLoadOfItsThreeParts()
    {
        MultiHeadAttentionOptions options = new() { Width = 24, Heads = 3 };
        MultiHeadAttention packed = new(options), parts = new(options);
        float[] weight = LayerProblem.Random(1, 72 * 24), bias = LayerProblem.Random(2, 72);
        float[] output = LayerProblem.Random(3, 24 * 24), outputBias = LayerProblem.Random(4, 24);
        packed.LoadPyTorch(weight, bias, output, outputBias);
        parts.Load(new()
        {
            Query = weight.AsSpan(0, 576), Key = weight.AsSpan(576, 576),
            Value = weight.AsSpan(1152), QueryBias = bias.AsSpan(0, 24),
            KeyBias = bias.AsSpan(24, 24), ValueBias = bias.AsSpan(48), Output = output,
            OutputBias = outputBias,
        });
        Assert.Equal(weight, parts.ProjectionWeight.ToArray());
        Assert.Equal(bias, parts.ProjectionBias.ToArray());
        Assert.Equal(packed.ProjectionWeight, parts.ProjectionWeight);
        Assert.Equal(packed.ProjectionBias, parts.ProjectionBias);
        Assert.Equal(packed.OutputWeight, parts.OutputWeight);
        Assert.Equal(packed.OutputBias, parts.OutputBias);

        // Biases that are left out are zero, whatever was there.
        packed.LoadPyTorch(weight, [], output, []);
        Assert.All(packed.ProjectionBias.ToArray(), x => Assert.Equal(0, x));
        Assert.All(packed.OutputBias.ToArray(), x => Assert.Equal(0, x));
    }

    [Theory]
    [InlineData(1, 1 / 256.0)]
    [InlineData(2, 1 / 16.0, 1 / 256.0)]
    [InlineData(3, 1 / 16.0, 1 / 256.0, 1 / 4.0)]
    [InlineData(4, 1 / 4.0, 1 / 16.0, 1 / 64.0, 1 / 256.0)]
    public void AlibiSlopes_AreThoseOfThePaper(int heads, params double[] expected)
    {
        float[] slopes = new float[heads];
        AlibiSlopes.Fill(slopes);
        Assert.Equal(expected, slopes.Select(x => (double)x));
    }

    [Fact]
    public void Calls_AllocateNothing()
    {
        MultiHeadAttention layer =
            new LayerProblem(Grouped with { Rotary = new() { MaxPositions = 40 } }).Layer;
        float[] input = LayerProblem.Random(16, 2 * 17 * 72), output = new float[input.Length];
        float[] gradient = new float[input.Length];
        float[] weights = new float[layer.ProjectionWeight.Length];
        int[] lengths = [17, 9], offsets = [0, 17, 34];
        MultiHeadAttentionTape tape = new();
        using KvCache cache = new(new(2, 40, 2, 10));

        void Work()
        {
            AttentionOptions options = new() { Causal = CausalAlignment.TopLeft };
            AttentionExtras extras = new() { KeyLengths = lengths };
            layer.Forward(input, 2, 17, options, output, extras, tape: tape);
            layer.Backward(input, output, tape, gradient,
                new() { ProjectionWeight = weights }, extras);
            layer.Forward(input, 2, 17, options, output, new() { QueryOffsets = offsets });
            layer.Forward(input, input, 2, 17, 17, options, output);
            cache.Reset();
            layer.Step(input, 17, cache, default, output);
            layer.Step(input.AsSpan(0, 2 * 72), 1, cache, default, output.AsSpan(0, 2 * 72));
            cache.Reset();
            layer.AppendMemory(input, 17, cache);
            layer.Forward(input.AsSpan(0, 2 * 72), 1, cache, default, output.AsSpan(0, 2 * 72));
        }

        Assert.Equal(0, ManagedAllocations.Least(Work, warmUp: 20, runs: 20));
    }

    [Fact]
    public void SixteenThreads_GetTheBitsThatOneGets()
    {
        MultiHeadAttention layer =
            new LayerProblem(Grouped with { Rotary = new() { MaxPositions = 40 } }).Layer;
        float[][] expected = [.. Enumerable.Range(0, 6).Select(job => Job(layer, job))];
        string[] failures = new string[16];
        Thread[] callers = [.. Enumerable.Range(0, 16).Select(caller => new Thread(() =>
        {
            for (int i = 0; i < 24; i++)
            {
                int job = (caller + i) % expected.Length;
                if (!Job(layer, job).AsSpan().SequenceEqual(expected[job]))
                    failures[caller] += $" job {job} of caller {caller} differs;";
            }
        }))];
        foreach (Thread caller in callers) caller.Start();
        foreach (Thread caller in callers) caller.Join();

        Assert.Equal("", string.Concat(failures));
    }

    private static float[] Job(MultiHeadAttention layer, int job)
    {
        int length = 5 + (job / 2 * 11);
        float[] input = LayerProblem.Random(job, length * 72), output = new float[input.Length];
        if (job % 2 == 0)
        {
            MultiHeadAttentionTape tape = new();
            layer.Forward(input, 1, length, default, output, tape: tape);
            float[] gradient = new float[input.Length];
            layer.Backward(input, output, tape, gradient, default);
            return [.. output, .. gradient];
        }

        using KvCache cache = new(new(1, length + 1, 2, 10));
        layer.Step(input, length, cache, default, output);
        layer.Step(output.AsSpan(0, 72), 1, cache, default, output.AsSpan(0, 72));
        return output;
    }
}
