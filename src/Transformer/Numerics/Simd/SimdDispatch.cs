using System.Runtime.Intrinsics;

namespace Transformer.Numerics;

/// <summary>Work that is compiled for each vector width.</summary>
internal interface ISimdAction
{
    /// <summary>Does the work.</summary>
    void Run<T>() where T : struct, ISimdFloat<T>;
}

/// <summary>Chooses the widest vectors that the machine accelerates.</summary>
internal static class SimdDispatch
{
    /// <summary>Width of the vectors in use, in bits.</summary>
    public static int VectorBits =>
        Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128;

    /// <summary>Runs the action with them.</summary>
    public static void Run<TAction>(in TAction action) where TAction : struct, ISimdAction
    {
        if (Vector512.IsHardwareAccelerated) action.Run<Simd512>();
        else if (Vector256.IsHardwareAccelerated) action.Run<Simd256>();
        else action.Run<Simd128>();
    }
}
