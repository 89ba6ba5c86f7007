using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Verification;

namespace Transformer.Cuda.Tests;

/// <summary>Attention on tensor cores: what the parity cases do not tell of it.</summary>
public sealed class AttentionTensorTests
{
    [SkippableTheory]
    [InlineData(OpDirection.Forward)]
    [InlineData(OpDirection.Backward)]
    public void Results_AreTheSameBits_WhenRunAgain(OpDirection direction)
    {
        CudaBackend backend = EmulatedDevice.Require();
        int ran = 0;
        foreach (ParityCase parity in ParityCases.Select(["FusedAttention"], quick: false, [])
            .Where(c => c.Direction == direction && c.DType == DType.BFloat16)
            .Where(c => c.Name.Contains("dropout") && AttentionKernels.Of(c) is not null))
        {
            if (!parity.Run(backend).Passed) continue; // a score modifier
            IReadOnlyDictionary<string, byte[]> first = parity.Execute(backend);
            Assert.All(parity.Execute(backend), o => Assert.Equal(first[o.Key], o.Value));
            ran++;
        }

        Assert.True(ran > 2, $"{ran} cases");
    }

    // Value 0 holds +∞, value 66 −∞ and value 70 NaN, in columns 1, 1 and 2; a query sees the keys
    // up to its own. The Hopper kernel computes rows that such a value has touched anew, from
    // weights that are not rounded to binary16: they may differ by one rounding of the result.
    [SkippableTheory]
    [InlineData(64, EmulatedDevice.Ampere, 0)]
    [InlineData(64, EmulatedDevice.Hopper, 1)]
    [InlineData(136, EmulatedDevice.Hopper, 0)]
    public void WhatIsNotFinite_ReachesThoseAloneWhoSeeIt(int width, int device, int roundings)
    {
        CudaBackend backend = EmulatedDevice.Require(device);
        const int length = 72;
        Half[] numbers = [.. Enumerable.Range(0, length * width).Select(i => (Half)(i % 7 / 8f))];
        Half[] values = [.. numbers];
        values[(3 * width) + 1] = Half.PositiveInfinity;
        values[(66 * width) + 1] = Half.NegativeInfinity;
        values[(70 * width) + 2] = Half.NaN;
        float[] clean = Attend(backend, numbers, numbers, length, width);
        float[] output = Attend(backend, numbers, values, length, width);
        for (int query = 0; query < length; query++)
        {
            for (int column = 0; column < width; column++)
            {
                float expected = (query, column) switch
                {
                    ( >= 66, 1) => float.NaN,
                    ( >= 3, 1) => float.PositiveInfinity,
                    ( >= 70, 2) => float.NaN,
                    _ => clean[(query * width) + column],
                };
                float actual = output[(query * width) + column];
                float step = float.IsFinite(expected)
                    ? (float)(Half.BitIncrement((Half)expected) - (Half)expected) : 0;
                Assert.True(
                    expected.Equals(actual) || Math.Abs(expected - actual) <= roundings * step,
                    $"[{query}, {column}] = {actual}, {expected}");
            }
        }
    }

    // Output gradient 40 holds ∞ in column 1, key 50 NaN and value 50 ∞, which nobody sees; query
    // 40 sees the keys up to its own, and key 5 is masked away.
    [SkippableTheory]
    [InlineData(64)]
    [InlineData(72)]
    public void GradientsOfWhatIsNotFinite_ReachThoseAloneWhoSeeIt(int width)
    {
        CudaBackend backend = EmulatedDevice.Require();
        const int length = 72, bad = 40, masked = 5, hidden = 50;
        Half[] numbers = [.. Enumerable.Range(0, length * width).Select(i => (Half)(i % 7 / 8f))];
        bool[] mask =
            [.. Enumerable.Range(0, length).Select(key => key is not (masked or hidden))];
        Half[][] clean = Differentiate(backend, numbers, numbers, numbers, mask, length, width);
        Half[] keys = [.. numbers], values = [.. numbers], gradient = [.. numbers];
        keys[hidden * width] = Half.NaN;
        values[(hidden * width) + 2] = Half.PositiveInfinity;
        gradient[(bad * width) + 1] = Half.PositiveInfinity;
        Half[][] found = Differentiate(backend, keys, values, gradient, mask, length, width);
        for (int row = 0; row < length; row++)
        {
            bool meets = row <= bad && mask[row];
            // Query, key, value.
            bool[] touched = [row == bad, meets, meets];
            for (int which = 0; which < 3; which++)
            {
                Span<Half> own = found[which].AsSpan(row * width, width);
                if (touched[which]) Assert.False(Half.IsFinite(own[1]), $"{which}, {row}");
                else Assert.Equal(clean[which].AsSpan(row * width, width), own);
            }
        }
    }

    [SkippableFact]
    public void LengthsAndPagesOutOfRange_AreNotFollowed()
    {
        CudaBackend backend = EmulatedDevice.Require();
        const int pages = 3, page = 16, width = 64, queries = 2;
        using DeviceArray<Half> query = new(backend, Ones(2 * queries * width));
        using DeviceArray<Half> key = new(backend, Ones(pages * page * width));
        using DeviceArray<Half> output = new(backend, new Half[2 * queries * width]);
        using DeviceArray<int> lengths = new(backend, 1 << 30, -5);
        using DeviceArray<int> table = new(backend, 1 << 20, -7, 1, 0, 1, 2);
        backend.Run(new AttentionForward
        {
            Inputs = new()
            {
                Sizes = new(2, 1, 1, queries, pages * page, width, width),
                Query = query.View, Key = key.View, Value = key.View,
                KeyLengths = lengths.View, BlockTable = table.View,
                PageSize = page, PageCount = pages,
            },
            Output = output.View,
        });
        Half[] read = output.Read();
        Assert.All(read[..(queries * width)], v => Assert.Equal((Half)1, v));
        Assert.All(read[(queries * width)..], v => Assert.Equal(default, v));

        static Half[] Ones(int count) => [.. Enumerable.Repeat((Half)1, count)];
    }

    [SkippableFact]
    public void Calls_AllocateNothingManaged()
    {
        CudaBackend backend = EmulatedDevice.Require();
        using DeviceArray<Half> numbers = new(backend, new Half[4 * 128]);
        using DeviceArray<Half> output = new(backend, new Half[4 * 128]);
        AttentionForward call = Call(numbers.View, numbers.View, output.View, 4, 128);
        long least = ManagedAllocations.Least(
            () =>
            {
                backend.Run(in call);
                backend.Synchronize();
            },
            warmUp: 1);
        Assert.Equal(0, least);
    }

    private static float[] Attend(
        CudaBackend backend, Half[] numbers, Half[] values, int length, int width)
    {
        using DeviceArray<Half> query = new(backend, numbers), value = new(backend, values);
        using DeviceArray<Half> output = new(backend, new Half[length * width]);
        backend.Run(Call(query.View, value.View, output.View, length, width));
        return [.. output.Read().Select(v => (float)v)];
    }

    private static Half[][] Differentiate(
        CudaBackend backend, Half[] keys, Half[] values, Half[] gradient, bool[] mask, int length,
        int width)
    {
        Half[] zeros = new Half[length * width];
        Half[] queries = [.. Enumerable.Range(0, zeros.Length).Select(i => (Half)(i % 5 / 8f))];
        using DeviceArray<Half> query = new(backend, queries), key = new(backend, keys);
        using DeviceArray<Half> value = new(backend, values), output = new(backend, zeros);
        using DeviceArray<Half> outputGradient = new(backend, gradient);
        using DeviceArray<Half> queryGradient = new(backend, zeros);
        using DeviceArray<Half> keyGradient = new(backend, zeros);
        using DeviceArray<Half> valueGradient = new(backend, zeros);
        using DeviceArray<float> sums = new(backend, new float[length]);
        using DeviceArray<bool> shown = new(backend, mask);
        AttentionForward call = Call(query.View, value.View, output.View, length, width);
        AttentionInputs inputs = call.Inputs with
        {
            Key = key.View,
            Mask = shown.View,
            MaskLayout = AttentionMaskLayout.FromShape(new([length]), call.Inputs.Sizes),
        };
        backend.Run(call with { Inputs = inputs, LogSumExp = sums.View });
        backend.Run(new AttentionBackward
        {
            Inputs = inputs, Output = output.View, LogSumExp = sums.View,
            OutputGradient = outputGradient.View, QueryGradient = queryGradient.View,
            KeyGradient = keyGradient.View, ValueGradient = valueGradient.View,
        });
        return [queryGradient.Read(), keyGradient.Read(), valueGradient.Read()];
    }

    private static AttentionForward Call(
        BufferView queries, BufferView values, BufferView output, int length, int width) => new()
        {
            Inputs = new()
            {
                Sizes = new(1, 1, 1, length, length, width, width),
                Options = new() { Causal = CausalAlignment.TopLeft },
                Query = queries, Key = queries, Value = values,
            },
            Output = output,
        };
}
