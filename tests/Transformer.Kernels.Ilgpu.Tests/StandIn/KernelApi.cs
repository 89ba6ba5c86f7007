using System.Runtime.CompilerServices;
using Transformer.Kernels.Ilgpu.Tests.StandIn;

namespace ILGPU;

/// <summary>Stand-in: the calling thread's place in its group.</summary>
public static class Group
{
    public static int IdxX => Lane.Current.Index;

    public static int DimX => Lane.Current.Group.Threads;

    public static void Barrier() => Lane.Current.Group.Barrier(Lane.Current);
}

/// <summary>Stand-in: the group's place in the grid.</summary>
public static class Grid
{
    public static int IdxX => Lane.Current.Group.X;

    public static int IdxY => Lane.Current.Group.Y;

    public static int DimX => (int)Lane.Current.Group.Shape.Groups;

    public static int DimY => Lane.Current.Group.Shape.GroupsY;
}

/// <summary>Stand-in: exchanges within a warp, by all of its lanes.</summary>
public static class Warp
{
    public static int WarpSize => StandInQueue.WarpSize;

    public static int LaneIdx => Lane.Current.Index % WarpSize;

    public static T ShuffleXor<T>(T variable, int mask) where T : unmanaged =>
        Lane.Current.Group.Exchange(Lane.Current, variable, LaneIdx ^ mask);

    public static T Shuffle<T>(T variable, int sourceLane) where T : unmanaged =>
        Lane.Current.Group.Exchange(Lane.Current, variable, sourceLane);
}

/// <summary>Stand-in: memory of the group; not a number until written.</summary>
public static class SharedMemory
{
    public static ArrayView<T> GetDynamic<T>() where T : unmanaged =>
        Lane.Current.Group.Shared<T>();
}

/// <summary>Stand-in: one thread of a group runs at a time, so an addition is atomic.</summary>
public static class Atomic
{
    public static int Add(ref int target, int value)
    {
        int before = target;
        target += value;
        return before;
    }

    public static long Add(ref long target, long value)
    {
        long before = target;
        target += value;
        return before;
    }
}

/// <summary>Stand-in: bits of numbers.</summary>
public static class Interop
{
    public static uint FloatAsInt(float value) => Unsafe.BitCast<float, uint>(value);

    public static float IntAsFloat(uint value) => Unsafe.BitCast<uint, float>(value);
}
