using Transformer.Backends;
using Transformer.Ops;
using Kernels = Transformer.Ops;
using Transformer.Tests.Verification;

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
        Thread[] callers = [.. Enumerable.Range(0, 64).Select(caller => new Thread(() =>
        {
            for (int i = 0; i < Jobs; i++)
            {
                int job = (caller + i) % Jobs;
                if (!Job(job).AsSpan().SequenceEqual(expected[job]))
                    failures[caller] += $" job {job} of caller {caller} differs;";
            }
        }))];
        foreach (Thread caller in callers) caller.Start();
        foreach (Thread caller in callers) caller.Join();

        Assert.Equal("", string.Concat(failures));
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
