namespace Transformer.Kernels.Ilgpu.Tests.StandIn;

/// <summary>What a thread of a group waits for.</summary>
internal enum LaneState
{
    Ready,
    AtGroupBarrier,
    AtWarpBarrier,
    Done,
}

/// <summary>One thread of a group, on a thread of the process. Lanes take turns: one runs until it
/// waits or ends.</summary>
internal sealed class Lane : IDisposable
{
    [ThreadStatic]
    private static Lane? current;

    private readonly SemaphoreSlim turn = new(0);

    public Lane(KernelGroup group, int index)
    {
        Group = group;
        Index = index;
        new Thread(Work) { IsBackground = true, Name = $"lane-{index}" }.Start();
    }

    public static Lane Current =>
        current ?? throw new InvalidOperationException("asked for outside of a kernel");

    public KernelGroup Group { get; }

    public int Index { get; }

    public LaneState State { get; set; }

    /// <summary>What it offers to the lanes of its warp.</summary>
    public ulong Offer { get; set; }

    public void Wake() => turn.Release();

    public void WaitForTurn() => turn.Wait();

    public void Dispose() => turn.Dispose();

    private void Work()
    {
        current = this;
        while (true)
        {
            WaitForTurn();
            if (!Group.RunLane(this)) return;
        }
    }
}
