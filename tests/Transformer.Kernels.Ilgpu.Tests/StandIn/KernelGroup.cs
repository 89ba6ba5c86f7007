using System.Runtime.CompilerServices;
using ILGPU;
using Transformer.Kernels.Ilgpu.Launch;

namespace Transformer.Kernels.Ilgpu.Tests.StandIn;

/// <summary>The threads of a group, one group after another. A barrier that not every thread
/// reaches is an error, as is a shuffle that not every lane of the warp takes part in.</summary>
internal sealed class KernelGroup : IDisposable
{
    private const uint NotWritten = 0x7FC0DEAD; // not a number

    private readonly List<Lane> lanes = [];
    private readonly Stack<LaneThread> idle = []; // whoever has the turn may touch it
    private readonly SemaphoreSlim finished = new(0);
    private uint[] shared = [];
    private Action kernel = () => { };
    private Exception? failure;

    public LaunchShape Shape { get; private set; }

    public int Threads => Shape.Threads;

    public int X { get; private set; }

    public int Y { get; private set; }

    /// <summary>Runs a whole grid.</summary>
    public void Run(LaunchShape shape, Action work)
    {
        Shape = shape;
        kernel = work;
        failure = null;
        while (lanes.Count < shape.Threads) lanes.Add(new(this, lanes.Count));
        // Pinned: views hold addresses.
        if (shared.Length < shape.SharedFloats + 4)
            shared = GC.AllocateArray<uint>(shape.SharedFloats + 4, pinned: true);
        for (Y = 0; Y < shape.GroupsY && failure is null; Y++)
            for (X = 0; X < shape.Groups && failure is null; X++) RunGroup();
        if (failure is not null)
        {
            throw new InvalidOperationException(
                $"kernel {work.Method.Name}, group ({X}, {Y}): {failure.Message}", failure);
        }
    }

    public unsafe ArrayView<T> Shared<T>() where T : unmanaged
    {
        nint address = (nint)Unsafe.AsPointer(ref shared[0]);
        address = (address + 15) & ~15;
        return new(address, (long)Shape.SharedFloats * sizeof(float) / sizeof(T));
    }

    public void Barrier(Lane lane) => Wait(lane, LaneState.AtGroupBarrier);

    public T Exchange<T>(Lane lane, T value, int source) where T : unmanaged
    {
        ulong bits = 0;
        Unsafe.WriteUnaligned(ref Unsafe.As<ulong, byte>(ref bits), value);
        lane.Offer = bits;
        Wait(lane, LaneState.AtWarpBarrier);
        int warp = lane.Index / StandInQueue.WarpSize * StandInQueue.WarpSize;
        bits = lanes[warp + source].Offer;
        Wait(lane, LaneState.AtWarpBarrier); // offers may be replaced
        return Unsafe.ReadUnaligned<T>(ref Unsafe.As<ulong, byte>(ref bits));
    }

    /// <summary>Runs a lane, and behind it those that no thread has begun.</summary>
    /// <param name="lane">The first one.</param>
    /// <param name="thread">Waits for lanes afterwards; null: the caller's own.</param>
    public void RunLanes(Lane lane, LaneThread? thread)
    {
        while (true)
        {
            Lane.Current = lane;
            lane.IsStarted = true;
            try
            {
                if (failure is null) kernel();
            }
            catch (Exception exception)
            {
                failure ??= exception;
            }

            lane.State = LaneState.Done;
            Lane? next = Next(lane);
            if (next is { IsStarted: false })
            {
                lane = next;
                continue;
            }

            if (thread is not null) idle.Push(thread);
            if (next is null) finished.Release();
            else next.Wake();
            return;
        }
    }

    public void Dispose()
    {
        foreach (LaneThread thread in idle) thread.Start(null);
        foreach (Lane lane in lanes) lane.Dispose();
        finished.Dispose();
    }

    private void RunGroup()
    {
        shared.AsSpan().Fill(NotWritten);
        for (int i = 0; i < Threads; i++)
        {
            lanes[i].State = LaneState.Ready;
            lanes[i].IsStarted = false;
        }

        // A kernel without barriers ends on this thread.
        RunLanes(lanes[0], null);
        finished.Wait();
    }

    private void Wait(Lane lane, LaneState why)
    {
        lane.State = why;
        Lane next = Next(lane)!;
        if (next != lane)
        {
            if (next.IsStarted) next.Wake();
            else (idle.TryPop(out LaneThread? thread) ? thread : new(this)).Start(next);
            lane.WaitForTurn();
        }

        if (failure is not null) throw new OperationCanceledException("another thread failed");
    }

    // Whose turn is next; null: all are done.
    private Lane? Next(Lane from)
    {
        Lane? next = Ready(from);
        if (next is null && Release()) next = Ready(from);
        if (next is not null || AllDone()) return next;
        failure ??= new InvalidOperationException(
            "a barrier is not reached by every thread of the group or warp");
        foreach (Lane lane in lanes.Take(Threads))
            if (lane.State != LaneState.Done) lane.State = LaneState.Ready;
        return Ready(from);
    }

    private Lane? Ready(Lane from)
    {
        for (int i = 1; i <= Threads; i++)
        {
            Lane lane = lanes[(from.Index + i) % Threads];
            if (lane.State == LaneState.Ready) return lane;
        }

        return null;
    }

    private bool AllDone()
    {
        for (int i = 0; i < Threads; i++)
            if (lanes[i].State != LaneState.Done) return false;
        return true;
    }

    // Lets the lanes go on that have all arrived.
    private bool Release()
    {
        if (Free(0, Threads, LaneState.AtGroupBarrier)) return true;
        bool any = false;
        for (int warp = 0; warp < Threads; warp += StandInQueue.WarpSize)
            any |= Free(warp, StandInQueue.WarpSize, LaneState.AtWarpBarrier);
        return any;
    }

    private bool Free(int first, int count, LaneState state)
    {
        for (int i = first; i < first + count; i++)
            if (lanes[i].State != state) return false;
        for (int i = first; i < first + count; i++) lanes[i].State = LaneState.Ready;
        return true;
    }
}
