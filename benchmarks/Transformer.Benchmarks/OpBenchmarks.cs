using System.Diagnostics.CodeAnalysis;
using BenchmarkDotNet.Attributes;
using Transformer.Backends;
using Transformer.Verification;

namespace Transformer.Benchmarks;

/// <summary>The calls of one op, from the table that <c>transformer bench</c> and the parity tests
/// use: the vectorised kernel against its baseline.</summary>
/// <param name="op">The op's name.</param>
[Config(typeof(OpConfig))]
[SuppressMessage("Design", "CA1001",
    Justification = "BenchmarkDotNet calls Cleanup; the class lives until its process ends.")]
public abstract class OpBenchmarks(string op)
{
    private BoundCase? kernel;
    private BoundCase? baseline;

    /// <summary>The call that is timed.</summary>
    [ParamsSource(nameof(Calls))]
    public OpCall Call { get; set; } = null!;

    /// <summary>Every call of the op: the small ones first.</summary>
    public IEnumerable<OpCall> Calls => OpCall.Of(op);

    /// <summary>Makes the operands: more of them than caches hold where memory is the limit.
    /// </summary>
    [GlobalSetup]
    public void Setup()
    {
        kernel = Call.Case.Bind(BackendRegistry.Cpu, Call.WorkingSet, out string? lack) ??
            throw new NotSupportedException(lack);
        baseline = Call.Case.BindUnfused(Call.WorkingSet) ??
            Call.Case.Bind(Call.Case.Reference, workingSet: 0, out _);
    }

    /// <summary>Gives the operands back.</summary>
    [GlobalCleanup]
    public void Cleanup()
    {
        kernel?.Dispose();
        baseline?.Dispose();
    }

    /// <summary>Separate plain passes on one thread where the op has them, else the reference.
    /// </summary>
    [Benchmark(Baseline = true)]
    public void Baseline() => baseline!.Run();

    /// <summary>The vectorised kernel.</summary>
    [Benchmark]
    public void Simd() => kernel!.Run();
}
