using System.Collections.Concurrent;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tests.FusedAttention.Properties;
using Transformer.Tests.Verification;
using Kernels = Transformer.Ops;

namespace Transformer.Tests.Robustness;

/// <summary>Many callers at once, and callers inside a kernel's own batches.</summary>
[Collection(ThreadCountCollection.Name)]
public sealed class ManyThreadsTests
{
    private const int Jobs = 12;

    [Fact]
    public void SixtyFourCallers_GetTheBitsThatOneGets()
    {
        float[][] expected = [.. Enumerable.Range(0, Jobs).Select(Job)];
        string[] failures = new string[64];
        OnThreads(64, caller =>
        {
            for (int i = 0; i < Jobs; i++)
            {
                int job = (caller + i) % Jobs;
                if (!Job(job).AsSpan().SequenceEqual(expected[job]))
                    failures[caller] += $" job {job} of caller {caller} differs;";
            }
        });

        Assert.Equal("", string.Concat(failures));
    }

    [Fact]
    public void SixtyFourCallersOfMixedAttention_GetTheBitsThatOneThreadGets()
    {
        AttentionData[] problems = [.. AttentionSamples.Fixed(200)
            .Select((sample, i) => AttentionData.Of(sample, i))];
        Assert.True(problems.DistinctBy(p => p.Sample.ToString()).Count() > 190);
        AttentionResult[] expected = OnOneThread(() => problems.Select(p => p.Run()).ToArray());
        float[][] expectedJobs = OnOneThread(
            () => Enumerable.Range(0, Jobs).Select(Job).ToArray());
        ConcurrentQueue<string> failures = [];
        using Barrier together = new(64);
        OnThreads(64, caller =>
        {
            together.SignalAndWait();
            for (int i = 0; i < problems.Length; i++)
            {
                int index = ((caller * 5) + i) % problems.Length;
                try
                {
                    problems[index].Run().MustEqual(expected[index]);
                    AttentionResult.Same($"job {index % Jobs}",
                        expectedJobs[index % Jobs], Job(index % Jobs));
                }
                catch (Exception exception)
                {
                    failures.Enqueue($"caller {caller}, {problems[index].Sample}: " +
                        exception.Message);
                }
            }
        });

        Assert.Empty(failures);
    }

    [Fact]
    public void CallsInsideABatch_GetTheSameBits()
    {
        float[][] expected = [.. Enumerable.Range(0, Jobs).Select(Job)];
        int before = CpuParallel.ThreadCount;
        try
        {
            foreach (int threads in (int[])[1, 3, 64])
            {
                CpuParallel.ThreadCount = threads;
                Nested work = new() { Results = new float[Jobs][] };
                CpuParallel.For(Jobs, ref work);
                Assert.Equal(expected, work.Results);
            }
        }
        finally
        {
            CpuParallel.ThreadCount = before;
        }
    }

    private static void OnThreads(int count, Action<int> work)
    {
        Thread[] threads =
            [.. Enumerable.Range(0, count).Select(i => new Thread(() => work(i)))];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) thread.Join();
    }

    private static T OnOneThread<T>(Func<T> work)
    {
        int before = CpuParallel.ThreadCount;
        try
        {
            CpuParallel.ThreadCount = 1;
            return work();
        }
        finally
        {
            CpuParallel.ThreadCount = before;
        }
    }

    private struct Nested : IBatchWork
    {
        public float[][] Results;

        public readonly void Run(int batch) => Results[batch] = Job(batch);
    }

    /// <summary>One op on one backend, from numbers that depend on the job alone.</summary>
    private static float[] Job(int job)
    {
        Backend backend = job % 2 == 0 ? BackendRegistry.Find("simd") : BackendRegistry.Reference;
        float[] x = Values(job, 40 * 24), w = Values(job + 50, 24 * 24);
        float[] output = new float[40 * 24];
        switch (job / 2)
        {
            case 0:
                Kernels.Linear.Forward(x, w, [], new(40, 24, 24),
                    new() { Activation = Activation.Gelu }, output, [], backend);
                break;
            case 1:
                Kernels.LayerNorm.Forward(
                    x, [], [], new(40, 24), default, output, [], [], backend);
                break;
            case 2:
                Kernels.FusedAttention.Forward(x, x, x, new(1, 2, 2, 40, 40, 12, 12),
                    new() { Causal = CausalAlignment.TopLeft }, output, [], backend);
                break;
            case 3:
                Kernels.GeluFeedForward.Forward(x, new() { Weight1 = w, Weight2 = w },
                    new(40, 24, 24, 24), default, output, [], backend);
                break;
            case 4:
                Kernels.Dropout.Forward(x, new(0.3f, job), output, backend);
                break;
            default:
                output[0] = Kernels.GradientNorm.Compute(x, 1, backend).Norm;
                break;
        }

        return output;
    }

    private static float[] Values(int seed, int count)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
    }
}
