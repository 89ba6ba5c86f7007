using Transformer.Backends;
using Transformer.Cuda.Driver;
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

        // Full, causal, a window, packed, lengths; not what shapes scores.
        string[] expected =
        [
            "[1, 2/1, 66×130, 128/128] BFloat16", "[1, 4/2, 150×280, 128/128] bottom-right Float16",
            "[1, 4/2, 150×280, 128/128] bottom-right BFloat16",
            "[1, 2/1, 66×130, 128/96] bottom-right BFloat16",
            "[1, 2/1, 130×135, 64/64] bottom-right Float16",
        ];
        Assert.All(expected, name => Assert.Contains(name, took));
        Assert.True(took.Count(n => n.Contains("64/64]")) >= 8, string.Join('\n', took));
        Assert.DoesNotContain(took, n => n.Contains("mask") || n.Contains("dropout"));
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
