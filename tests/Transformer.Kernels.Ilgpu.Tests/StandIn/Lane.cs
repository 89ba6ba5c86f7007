namespace Transformer.Kernels.Ilgpu.Tests.StandIn;

/// <summary>What a thread of a group waits for.</summary>
internal enum LaneState
{
    Ready,
    AtGroupBarrier,
    AtWarpBarrier,
    Done,
}

/// <summary>One thread of a group. Lanes take turns: one runs until it waits or ends.</summary>
internal sealed class Lane(KernelGroup group, int index) : IDisposable
{
    [ThreadStatic]
    private static Lane? current;

    private readonly SemaphoreSlim turn = new(0);

    /// <summary>The lane that runs on the calling thread of the process.</summary>
    public static Lane Current
    {
        get => current ??
            throw new InvalidOperationException("asked for outside of a kernel");
        set => current = value;
    }

    public KernelGroup Group { get; } = group;

    public int Index { get; } = index;

    public LaneState State { get; set; }

    /// <summary>True where a thread of the process has it; it waits for its turn there.</summary>
    public bool IsStarted { get; set; }

    /// <summary>What it offers to the lanes of its warp.</summary>
    public ulong Offer { get; set; }

    public void Wake() => turn.Release();

    public void WaitForTurn() => turn.Wait();

    public void Dispose() => turn.Dispose();
}

/// <summary>A thread of the process that runs lanes, one behind the other unless one waits.
/// </summary>
internal sealed class LaneThread : IDisposable
{
    private readonly SemaphoreSlim work = new(0);
    private readonly KernelGroup group;
    private Lane? first;

    public LaneThread(KernelGroup group)
    {
        this.group = group;
        new Thread(Run) { IsBackground = true, Name = "lanes" }.Start();
    }

    /// <summary>Begins with a lane; null ends the thread.</summary>
    public void Start(Lane? lane)
    {
        first = lane;
        work.Release();
    }

    public void Dispose() => work.Dispose();

    private void Run()
    {
        while (true)
        {
            work.Wait();
            if (first is null) return;
            group.RunLanes(first, this);
        }
    }
}
