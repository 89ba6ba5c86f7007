using Transformer.Backends;
using Transformer.Verification;

namespace Transformer.Kernels.Ilgpu.Tests;

/// <summary>What ILGPU makes of the kernels for an NVIDIA GPU; none is needed for it.</summary>
public sealed class PtxTests
{
    private static readonly Lazy<IReadOnlyDictionary<string, string>> Compiled = new(Compile);

    [Fact]
    public void EveryKernelKeepsItsNumbersInRegisters()
    {
        string dir = "/tmp/ilgpu/ptx"; Directory.CreateDirectory(dir);
        foreach ((string name, string ptx) in Compiled.Value) File.WriteAllText(Path.Combine(dir, name.Replace('<','_').Replace('>','_').Replace(", ","_") + ".ptx"), ptx);
        string[] local = [.. Compiled.Value.Where(
            k => k.Value.Contains(".local", StringComparison.Ordinal)).Select(k => k.Key)];
        Assert.True(local.Length == 0, $"local memory in: {string.Join("; ", local)}");
    }

    private static Dictionary<string, string> Compile()
    {
        PtxQueue queue = new();
        IlgpuBackend backend = new("ilgpu-ptx", -1, queue);
        foreach (string op in backend.Kernels.Select(k => k.Op).Distinct())
            foreach (ParityCase parity in ParityCases.Select([op], quick: false, []))
            {
                // Nothing is written, so nothing can agree; what counts is what was compiled.
                ParityResult result = parity.Run(backend);
                Assert.False(result.Detail.Contains("Exception", StringComparison.Ordinal), result.ToString());
            }

        return new(queue.Compiled);
    }
}
