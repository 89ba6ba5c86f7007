using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace Transformer.Backends;

/// <summary>Work cut into independent batches; batch b is the same whoever runs it.</summary>
internal interface IBatchWork
{
    void Run(int batch);
}

/// <summary>
/// Runs the batches of one kernel on a fixed team of threads. Dispatch costs about a microsecond
/// and allocates nothing: workers spin briefly for the next kernel and then sleep.
/// </summary>
/// <remarks>
/// How work is cut into batches must never depend on <see cref="ThreadCount"/>; then neither do
/// results. A call made while the team is busy (another thread, or from inside a batch) runs its
/// batches inline: many callers then run side by side instead of waiting.
/// The protocol: the caller writes the job, then sets <c>remaining</c> to the batch count; whoever
/// decrements it to a value ≥ 0 owns one batch and may read the job, which cannot change before
/// that batch is counted in <c>finished</c>.
/// </remarks>
internal static unsafe class CpuParallel
{
    private const int SpinsBeforeSleep = 1000;

    private static readonly Lock StartGate = new();
    private static Worker[] workers = [];
    private static int threadCount = InitialThreadCount();
    private static int busy;
    private static int epoch;
    private static int remaining;
    private static int finished;
    private static int total;
    private static delegate*<void*, int, void> entry;
    private static void* state;
    private static Exception? failure;

    /// <summary>Where the calling thread notes how long each batch takes, which it then runs by
    /// itself; null: nowhere.</summary>
    [field: ThreadStatic]
    public static BatchTimes? Recorder { get; set; }

    /// <summary>Threads that work on a kernel, the caller included.</summary>
    /// <remarks>Set from TRANSFORMER_THREADS, else the number of processors.</remarks>
    public static int ThreadCount
    {
        get => Volatile.Read(ref threadCount);
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            Volatile.Write(ref threadCount, value);
        }
    }

    /// <summary>Runs batches 0 … <paramref name="batches"/>−1 and returns when all are done.
    /// </summary>
    public static void For<TWork>(int batches, ref TWork work) where TWork : struct, IBatchWork
    {
        if (Recorder is { } recorder)
        {
            recorder.Run(batches, ref work);
            return;
        }

        if (batches <= 1 || ThreadCount == 1 || Interlocked.Exchange(ref busy, 1) == 1)
        {
            for (int batch = 0; batch < batches; batch++) work.Run(batch);
            return;
        }

        try
        {
            // The struct is the caller's local: it stays where it is until this call returns.
            Dispatch(batches, &Trampoline<TWork>, Unsafe.AsPointer(ref work));
        }
        finally
        {
            Volatile.Write(ref busy, 0);
        }
    }

    private static void Trampoline<TWork>(void* state, int batch)
        where TWork : struct, IBatchWork => Unsafe.AsRef<TWork>(state).Run(batch);

    private static void Dispatch(
        int batches, delegate*<void*, int, void> batchEntry, void* batchState)
    {
        int team = ThreadCount; // read once: another thread may set it meanwhile
        EnsureWorkers(team - 1);
        entry = batchEntry;
        state = batchState;
        total = batches;
        failure = null;
        Volatile.Write(ref finished, 0);
        Volatile.Write(ref remaining, batches);
        Interlocked.Increment(ref epoch);
        int helpers = Math.Min(team - 1, batches - 1);
        for (int i = 0; i < helpers; i++) workers[i].Wake();

        RunBatches();
        SpinWait spin = default;
        while (Volatile.Read(ref finished) != batches) spin.SpinOnce(sleep1Threshold: -1);
        if (failure is { } exception) ExceptionDispatchInfo.Throw(exception);
    }

    private static void RunBatches()
    {
        while (Volatile.Read(ref remaining) > 0)
        {
            int left = Interlocked.Decrement(ref remaining);
            if (left < 0) return;
            try
            {
                entry(state, total - 1 - left);
            }
            catch (Exception exception)
            {
                // Rethrown on the caller's thread; a worker must live on.
                Interlocked.CompareExchange(ref failure, exception, null);
            }

            Interlocked.Increment(ref finished);
        }
    }

    private static void EnsureWorkers(int count)
    {
        if (workers.Length >= count) return;
        lock (StartGate)
        {
            Worker[] team = new Worker[count];
            workers.CopyTo(team, 0);
            for (int i = workers.Length; i < count; i++) team[i] = new Worker(i);
            workers = team;
        }
    }

    private static int InitialThreadCount()
    {
        string? text = Environment.GetEnvironmentVariable("TRANSFORMER_THREADS");
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int count)
            && count >= 1 ? count : Environment.ProcessorCount;
    }

    private sealed class Worker
    {
        private readonly object gate = new();
        private readonly int index;
        private int sleeping;
        private bool signalled;

        public Worker(int index)
        {
            this.index = index;
            Thread thread = new(Loop) { IsBackground = true, Name = $"transformer-cpu-{index}" };
            thread.Start();
        }

        public void Wake()
        {
            if (Interlocked.Exchange(ref sleeping, 0) == 0) return;
            lock (gate)
            {
                signalled = true;
                Monitor.Pulse(gate);
            }
        }

        private void Sleep()
        {
            lock (gate)
            {
                while (!signalled) Monitor.Wait(gate);
                signalled = false;
            }
        }

        private void Loop()
        {
            int seen = Volatile.Read(ref epoch) - 1;
            while (true)
            {
                int spins = 0;
                while (Volatile.Read(ref epoch) == seen)
                {
                    if (++spins < SpinsBeforeSleep)
                    {
                        Thread.SpinWait(8);
                        continue;
                    }

                    Interlocked.Exchange(ref sleeping, 1);
                    // Only whoever takes 'sleeping' back to 0 acts on it: the caller, who then
                    // signals, or this worker, who then goes on.
                    if (Volatile.Read(ref epoch) == seen ||
                        Interlocked.Exchange(ref sleeping, 0) == 0)
                    {
                        Sleep();
                    }

                    spins = 0;
                }

                seen = Volatile.Read(ref epoch);
                if (index < ThreadCount - 1) RunBatches();
            }
        }
    }
}
