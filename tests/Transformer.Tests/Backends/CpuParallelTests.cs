using Transformer.Backends;

namespace Transformer.Tests.Backends;

public sealed class CpuParallelTests : IDisposable
{
    private readonly int threads = CpuParallel.ThreadCount;

    public void Dispose() => CpuParallel.ThreadCount = threads;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void EveryBatch_RunsExactlyOnce(int threadCount)
    {
        CpuParallel.ThreadCount = threadCount;
        for (int batches = 0; batches < 70; batches++)
        {
            int[] runs = new int[batches];
            Count work = new(runs);
            CpuParallel.For(batches, ref work);
            Assert.All(runs, count => Assert.Equal(1, count));
        }
    }

    [Fact]
    public void ManyShortJobs_InARow()
    {
        CpuParallel.ThreadCount = 4;
        int[] runs = new int[5];
        Count work = new(runs);
        for (int job = 0; job < 20_000; job++) CpuParallel.For(runs.Length, ref work);
        Assert.All(runs, count => Assert.Equal(20_000, count));
    }

    [Fact]
    public void SleepingWorkers_WakeUp()
    {
        CpuParallel.ThreadCount = 3;
        int[] runs = new int[8];
        Count work = new(runs);
        for (int job = 0; job < 20; job++)
        {
            CpuParallel.For(runs.Length, ref work);
            Thread.Sleep(3); // far longer than workers spin
        }

        Assert.All(runs, count => Assert.Equal(20, count));
    }

    [Fact]
    public void Callers_OnManyThreadsRunSideBySide()
    {
        CpuParallel.ThreadCount = 3;
        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, caller =>
        {
            for (int job = 0; job < 500; job++)
            {
                int[] runs = new int[1 + ((caller + job) % 9)];
                Count work = new(runs);
                CpuParallel.For(runs.Length, ref work);
                Assert.All(runs, count => Assert.Equal(1, count));
            }
        });
    }

    [Fact]
    public void NestedCalls_RunInline()
    {
        CpuParallel.ThreadCount = 4;
        int[] runs = new int[6 * 7];
        Nested work = new(runs, 7);
        CpuParallel.For(6, ref work);
        Assert.All(runs, count => Assert.Equal(1, count));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void Exceptions_ReachTheCallerAndTheTeamLivesOn(int threadCount)
    {
        CpuParallel.ThreadCount = threadCount;
        for (int job = 0; job < 50; job++)
        {
            Failing work = new(job % 10);
            InvalidOperationException error = Assert.Throws<InvalidOperationException>(
                () => CpuParallel.For(10, ref work));
            Assert.Equal($"batch {job % 10}", error.Message);
            EveryBatch_RunsExactlyOnce(threadCount);
        }
    }

    [Fact]
    public void State_IsTheCallersOwn()
    {
        // The struct is shared by reference: what batches write into it, the caller sees.
        CpuParallel.ThreadCount = 4;
        Sum work = default;
        CpuParallel.For(1000, ref work);
        Assert.Equal(499_500, work.Total);
    }

    [Fact]
    public void Dispatch_AllocatesNothing()
    {
        CpuParallel.ThreadCount = 2;
        Sum work = default;
        Assert.Equal(0, ManagedAllocations.Least(Dispatch, warmUp: 100, runs: 100));

        void Dispatch() => CpuParallel.For(4, ref work);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void ThreadCount_MustBePositive(int value) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => CpuParallel.ThreadCount = value);

    private readonly struct Count(int[] runs) : IBatchWork
    {
        public void Run(int batch) => Interlocked.Increment(ref runs[batch]);
    }

    private readonly struct Nested(int[] runs, int inner) : IBatchWork
    {
        public void Run(int batch)
        {
            Inner work = new(runs, batch * inner);
            CpuParallel.For(inner, ref work);
        }

        private readonly struct Inner(int[] runs, int start) : IBatchWork
        {
            public void Run(int batch) => Interlocked.Increment(ref runs[start + batch]);
        }
    }

    private readonly struct Failing(int failingBatch) : IBatchWork
    {
        public void Run(int batch)
        {
            if (batch == failingBatch) throw new InvalidOperationException($"batch {batch}");
        }
    }

    private struct Sum : IBatchWork
    {
        public long Total;

        public void Run(int batch) => Interlocked.Add(ref Total, batch);
    }
}
