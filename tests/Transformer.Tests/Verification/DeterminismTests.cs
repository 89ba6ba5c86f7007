using Transformer.Backends;
using Transformer.Tensors;
using Transformer.Verification;

namespace Transformer.Tests.Verification;

/// <summary>Results do not depend on the number of threads, nor on the run.</summary>
[Collection(ThreadCountCollection.Name)]
public sealed class DeterminismTests
{
    public static TheoryData<string, OpDirection> Kernels()
    {
        TheoryData<string, OpDirection> rows = [];
        foreach (KernelInfo kernel in BackendRegistry.Cpu.Kernels)
        {
            rows.Add(kernel.Op, kernel.Direction);
        }

        return rows;
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Simd_GivesTheSameBits_OnOneTwoAndThreeThreadsAndAgain(
        string op, OpDirection direction)
    {
        int compared = 0;
        foreach (ParityCase single in ParityCases.Select([op], quick: false))
        {
            if (single.Direction != direction) continue;
            IReadOnlyDictionary<string, byte[]>[] runs;
            try
            {
                runs = [Execute(single, 1), Execute(single, 2), Execute(single, 3),
                    Execute(single, 3)];
            }
            catch (NotSupportedException)
            {
                // AdamW of 16-bit tensors.
                Assert.NotEqual(DType.Float32, single.DType);
                continue;
            }

            compared++;

            foreach ((string output, byte[] bytes) in runs[0])
            {
                Assert.All(runs[1..], run => Assert.True(
                    bytes.AsSpan().SequenceEqual(run[output]), $"{single.Name}: {output}"));
            }
        }

        Assert.True(compared > 0, "no case ran");
    }

    private static IReadOnlyDictionary<string, byte[]> Execute(ParityCase single, int threads)
    {
        int before = CpuParallel.ThreadCount;
        CpuParallel.ThreadCount = threads;
        try
        {
            return single.Execute(BackendRegistry.Cpu);
        }
        finally
        {
            CpuParallel.ThreadCount = before;
        }
    }
}

/// <summary>Tests that set the number of threads run alone.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ThreadCountCollection
{
    public const string Name = "thread count";
}
