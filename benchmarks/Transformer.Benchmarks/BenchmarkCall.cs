using System.Diagnostics.CodeAnalysis;
using Transformer.Backends;
using Transformer.Tensors;
using Transformer.Verification;

namespace Transformer.Benchmarks;

/// <summary>A call built once from the library's case table, on the CPU.</summary>
[SuppressMessage("Design", "CA1001",
    Justification = "Benchmark classes live until the process ends; its owner keeps the memory.")]
public sealed class BenchmarkCall<TCall> where TCall : struct, IOpCall
{
    // The call holds addresses alone: without its owner, finalisers free what they point to.
    private readonly CaseMemory memory;

    private readonly TCall call;

    public BenchmarkCall(Func<CaseMemory, TCall> build)
    {
        Backend cpu = BackendRegistry.Cpu;
        memory = new(new(1, DType.Float32, false, [cpu], DType.Float32), cpu.Memory, DType.Float32);
        call = build(memory);
    }

    public void Run()
    {
        BackendRegistry.Cpu.Run(in call);
        GC.KeepAlive(memory);
    }

    public void RunUnfused(Action<TCall> unfused)
    {
        unfused(call);
        GC.KeepAlive(memory);
    }
}
