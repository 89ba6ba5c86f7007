using Transformer.Backends;
using Transformer.Benchmarks.Peers;

namespace Transformer.Benchmarks;

/// <summary>Runs every benchmark once in this process, and the library as a peer: proves that all
/// of them start.</summary>
public static class Smoke
{
    /// <summary>Small calls of every class; exit code 0, or an exception.</summary>
    /// <exception cref="InvalidOperationException">An op has no class.</exception>
    public static int Run()
    {
        HashSet<string> ops = [];
        foreach (Type type in typeof(Smoke).Assembly.GetExportedTypes()
            .Where(type => type.IsSubclassOf(typeof(OpBenchmarks))))
        {
            OpBenchmarks benchmarks = (OpBenchmarks)Activator.CreateInstance(type)!;
            foreach (OpCall call in benchmarks.Calls.Where(call => call.IsSmall))
            {
                benchmarks.Call = call;
                benchmarks.Setup();
                benchmarks.Baseline();
                benchmarks.Simd();
                benchmarks.Cleanup();
                ops.Add(call.Case.Op);
                Console.WriteLine($"{type.Name} {call}: ran");
            }
        }

        string[] lacking = [.. BackendRegistry.Cpu.Kernels.Select(kernel => kernel.Op).Distinct()
            .Where(op => !ops.Contains(op))];
        if (lacking.Length > 0)
        {
            throw new InvalidOperationException(
                $"benchmarks: no class for {string.Join(", ", lacking)}.");
        }

        PeerSmoke.Run();
        return 0;
    }
}
