using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Verification;

namespace Transformer.Cuda.Tests;

/// <summary>Attention on tensor cores: when it is used, what the parity cases do not tell of it.
/// </summary>
public sealed partial class AttentionTensorTests
{
    private const string Tensor = "attention_tensor_forward_", Plain = "attention_forward_";
    private static readonly float Infinity = float.PositiveInfinity;

    [SkippableFact]
    public void SixteenBitForward_RunsOnTensorCores()
    {
        CudaBackend backend = EmulatedDevice.Require();
        ParityCase[] cases = [.. Cases(OpDirection.Forward)];
        Assert.True(cases.Length > 80, $"{cases.Length} cases");
        long before = Launches(Tensor), plain = Launches(Plain);
        int ran = 0;
        foreach (ParityCase parity in cases)
        {
            ParityResult result = parity.Run(backend);
            Assert.True(!result.Failed, result.ToString());
            if (result.Passed) ran++;
        }

        Assert.Equal(ran, Launches(Tensor) - before);
        Assert.Equal(0, Launches(Plain) - plain);
    }

    [SkippableFact]
    public void Results_AreTheSameBits_WhenRunAgain()
    {
        CudaBackend backend = EmulatedDevice.Require();
        foreach (ParityCase parity in Cases(OpDirection.Forward)
            .Where(c => c.DType == DType.BFloat16 && c.Name.Contains("soft cap"))
            .Where(c => !c.Name.Contains("Decay") && !c.Name.Contains("Document")))
        {
            IReadOnlyDictionary<string, byte[]> first = parity.Execute(backend);
            Assert.All(parity.Execute(backend), o => Assert.Equal(first[o.Key], o.Value));
        }
    }

    // Value 0 holds +∞, value 66 −∞ and value 70 NaN, in columns 1, 1 and 2; a query sees the keys
    // up to its own.
    [SkippableTheory]
    [InlineData(64)]
    [InlineData(136)]
    public void WhatIsNotFinite_ReachesThoseAloneWhoSeeIt(int width)
    {
        CudaBackend backend = EmulatedDevice.Require();
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
                    ( >= 3, 1) => Infinity,
                    ( >= 70, 2) => float.NaN,
                    _ => clean[(query * width) + column],
                };
                float actual = output[(query * width) + column];
                Assert.True(expected.Equals(actual), $"[{query}, {column}] = {actual}, {expected}");
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
        backend.Run(in call);
        backend.Synchronize();
        long before = GC.GetAllocatedBytesForCurrentThread();
        backend.Run(in call);
        backend.Synchronize();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static IEnumerable<ParityCase> Cases(OpDirection direction) =>
        ParityCases.Select(["FusedAttention"], quick: false, []).Where(c =>
            c.Direction == direction && c.DType != DType.Float32 &&
            !c.Name.Contains("[0, ") && !c.Name.Contains(" 0×"));

    private static float[] Attend(
        CudaBackend backend, Half[] numbers, Half[] values, int length, int width)
    {
        using DeviceArray<Half> query = new(backend, numbers), value = new(backend, values);
        using DeviceArray<Half> output = new(backend, new Half[length * width]);
        backend.Run(Call(query.View, value.View, output.View, length, width));
        return [.. output.Read().Select(v => (float)v)];
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

    private static long Launches(string kernels) => transformer_emulation_launches(kernels);

    [LibraryImport("libcuda_emulated.so", StringMarshalling = StringMarshalling.Utf8)]
    private static partial long transformer_emulation_launches(string beginning);
}
