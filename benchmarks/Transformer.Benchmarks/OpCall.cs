using Transformer.Verification;

namespace Transformer.Benchmarks;

/// <summary>One call of the case table, as a parameter of a benchmark.</summary>
public sealed class OpCall
{
    // As transformer bench has it: beyond every cache.
    private const long BeyondCaches = 256L << 20;

    // Operations for each byte below which memory is the limit on any processor in use.
    private const double MemoryBound = 3;

    private readonly string size;

    private OpCall(BenchSize size, BenchCase single)
    {
        this.size = size.Name;
        Case = single;
    }

    /// <summary>The call.</summary>
    public BenchCase Case { get; }

    /// <summary>Bytes that calls touch before one meets the same operands again; 0: the same ones
    /// every time.</summary>
    public long WorkingSet => Case.Work.Flops < MemoryBound * Case.Work.Bytes ? BeyondCaches : 0;

    /// <summary>The calls of an op at the sizes small and base.</summary>
    public static IEnumerable<OpCall> Of(string op) =>
        new[] { BenchSize.Small, BenchSize.Base }.SelectMany(size =>
            BenchCases.Select(size, [op]).Select(single => new OpCall(size, single)));

    /// <summary>As the tables of BenchmarkDotNet show it.</summary>
    public override string ToString() =>
        $"{size} {Case.Direction.ToString().ToLowerInvariant()} {Case.Shape}";

    /// <summary>Whether it is one of the small calls, which take microseconds.</summary>
    internal bool IsSmall => size == BenchSize.Small.Name;
}
