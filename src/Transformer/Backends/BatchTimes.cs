using System.Diagnostics;

namespace Transformer.Backends;

/// <summary>How long each batch of a call took on one thread, and from that what a team of any size
/// would have taken if its threads did not slow each other down.</summary>
internal sealed class BatchTimes
{
    private readonly List<double[]> kernels = [];

    /// <summary>Batches of each kernel that the call started, in order.</summary>
    public IEnumerable<int> Batches => kernels.Select(times => times.Length);

    /// <summary>Forgets what it holds.</summary>
    public void Clear() => kernels.Clear();

    /// <summary>Runs the batches of one kernel, one after the other.</summary>
    public void Run<TWork>(int batches, ref TWork work) where TWork : struct, IBatchWork
    {
        double[] times = new double[batches];
        for (int batch = 0; batch < batches; batch++)
        {
            long start = Stopwatch.GetTimestamp();
            work.Run(batch);
            times[batch] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        kernels.Add(times);
    }

    /// <summary>Seconds inside batches when every thread takes the next batch as soon as it is
    /// free, as <see cref="CpuParallel"/> has it.</summary>
    /// <param name="threads">1 or more.</param>
    public double Seconds(int threads)
    {
        double[] free = new double[threads];
        double sum = 0;
        foreach (double[] times in kernels)
        {
            Array.Clear(free);
            foreach (double time in times)
            {
                int next = Array.IndexOf(free, free.Min());
                free[next] += time;
            }

            sum += free.Max();
        }

        return sum;
    }
}
