using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Verification;

namespace Transformer.Cuda.Tests;

/// <summary>The kernels for compute capability 9.0: which calls take them, and that other devices
/// take the portable ones.</summary>
public sealed class HopperTests
{
    [SkippableFact]
    public void Attention_TakesItsKernelOn90_AndThePortableOneOn80()
    {
        CudaBackend hopper = EmulatedDevice.Require();
        CudaBackend older = EmulatedDevice.Require(EmulatedDevice.Ampere);
        Assert.True(hopper.Queue.Device.IsHopper);
        Assert.False(older.Queue.Device.IsHopper);
        List<string> took = [];
        foreach (ParityCase parity in ParityCases.Select(["FusedAttention"], quick: false, [])
            .Where(c => c.Direction == OpDirection.Forward && c.DType != DType.Float32)
            .Where(c => c.Name.Contains("64/64]") || c.Name.Contains("128/")))
        {
            long before = AttentionKernels.HopperLaunches();
            if (!parity.Run(hopper).Passed || AttentionKernels.HopperLaunches() == before)
                continue;
            took.Add($"{parity.Name} {parity.DType}");
            long[] launches = AttentionKernels.Launches(parity);
            before = AttentionKernels.HopperLaunches();
            ParityResult result = parity.Run(older);
            Assert.True(result.Passed, result.ToString());
            AttentionKernels.Check(parity, launches);
            Assert.Equal(before, AttentionKernels.HopperLaunches());
        }

        // Of the cases whose tensors start on 16 bytes; not what shapes scores.
        string[] expected =
        [
            "[1, 2/1, 66×130, 128/128] Float16", "[1, 2/1, 66×130, 128/128] BFloat16",
            "[1, 2/1, 130×135, 64/64] bottom-right Float16",
            "[1, 2/1, 130×135, 64/64] bottom-right BFloat16",
        ];
        Assert.All(expected, name => Assert.Contains(name, took));
        Assert.Contains(took, name => name.Contains("packed queries"));
        Assert.DoesNotContain(took, n => n.Contains("mask") || n.Contains("dropout"));
    }

    // Several tiles of 128 queries and of 128 keys, more tasks than blocks, and values that nobody
    // sees are not numbers. Against plain loops in double: the weights' and the output's rounding
    // to Float16 are 2^-11 each, of values up to 1.
    [SkippableTheory]
    [InlineData(128, CausalAlignment.BottomRight, -1, -1)]
    [InlineData(128, CausalAlignment.None, -1, -1)]
    [InlineData(128, CausalAlignment.None, 100, 30)]
    [InlineData(64, CausalAlignment.TopLeft, 60, -1)]
    [InlineData(96, CausalAlignment.BottomRight, -1, -1)]
    public void Attention_IsThatOfPlainLoops(
        int width, CausalAlignment causal, int left, int right)
    {
        CudaBackend backend = EmulatedDevice.Require();
        const int heads = 4, keyHeads = 2, queries = 150, stored = 300, keys = 280;
        Half[] q = Numbers(heads * queries * width, 1), k = Numbers(keyHeads * stored * width, 2);
        Half[] v = Numbers(keyHeads * stored * width, 3);
        for (int head = 0; head < keyHeads; head++)
        {
            v.AsSpan(((head * stored) + keys) * width, (stored - keys) * width).Fill(Half.NaN);
        }

        using DeviceArray<Half> query = new(backend, q), key = new(backend, k);
        using DeviceArray<Half> value = new(backend, v), output = new(backend, new Half[q.Length]);
        using DeviceArray<int> lengths = new(backend, keys);
        long before = AttentionKernels.HopperLaunches();
        backend.Run(new AttentionForward
        {
            Inputs = new()
            {
                Sizes = new(1, heads, keyHeads, queries, stored, width, width),
                Options = new()
                {
                    Causal = causal, Window = left < 0 && right < 0 ? null : new(left, right),
                },
                Query = query.View, Key = key.View, Value = value.View,
                KeyLengths = lengths.View,
            },
            Output = output.View,
        });
        Half[] found = output.Read();
        Assert.Equal(before + 1, AttentionKernels.HopperLaunches());
        long offset = causal == CausalAlignment.BottomRight ? keys - queries : 0;
        double[] weights = new double[keys];
        for (int row = 0; row < heads * queries; row++)
        {
            int place = row / queries / (heads / keyHeads) * stored;
            long position = (row % queries) + offset;
            double total = 0;
            for (int j = 0; j < keys; j++)
            {
                double score = 0;
                for (int d = 0; d < width; d++)
                    score += (double)q[(row * width) + d] * (double)k[((place + j) * width) + d];
                bool seen = (causal == CausalAlignment.None || j <= position) &&
                    (left < 0 || j >= position - left) && (right < 0 || j <= position + right);
                total += weights[j] = seen ? Math.Exp(score / Math.Sqrt(width)) : 0;
            }

            for (int d = 0; d < width; d++)
            {
                double sum = 0;
                for (int j = 0; j < keys; j++)
                    sum += weights[j] == 0 ? 0 : weights[j] * (double)v[((place + j) * width) + d];
                double expected = total == 0 ? 0 : sum / total;
                double actual = (double)found[(row * width) + d];
                Assert.True(
                    Math.Abs(actual - expected) < 1e-3, $"{row}, {d}: {actual}, {expected}");
            }
        }
    }

    private static Half[] Numbers(int count, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (Half)((2 * random.NextDouble()) - 1))];
    }

    [Fact]
    public void Ptx_HasHoppersInstructionsForHopperAlone()
    {
        System.Reflection.Assembly assembly = typeof(CudaBackend).Assembly;
        string[] names = [.. assembly.GetManifestResourceNames()
            .Where(n => n.EndsWith(".ptx", StringComparison.Ordinal))];
        string[] hopper = [.. names.Where(n => n.Contains(".sm_90a."))];
        // Without a compiler for them there are no kernels at all.
        Assert.Equal(names.Length > 0, hopper.Length > 0);
        foreach (string name in names)
        {
            using StreamReader reader = new(assembly.GetManifestResourceStream(name)!);
            string text = reader.ReadToEnd();
            bool expected = hopper.Contains(name);
            foreach (string instruction in new[]
            {
                "wgmma.mma_async.sync.aligned.m64n128k16", "cp.async.bulk.tensor", "setmaxnreg.inc",
                "mbarrier.try_wait",
            })
            {
                Assert.True(expected == text.Contains(instruction), $"{name}: {instruction}");
            }

            // Arguments stay where the copy engine finds their tensor maps.
            if (expected) Assert.DoesNotContain(".local", text, StringComparison.Ordinal);
        }
    }
}
