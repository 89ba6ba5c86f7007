using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Transformer.Numerics;

/// <summary>Moving rows past the caches.</summary>
/// <remarks>
/// An ordinary store first reads the line that it writes: a kernel that reads n bytes and writes n
/// moves 3n. Stores past the caches save that third, but whoever reads the result next finds it in
/// memory. They pay where the result is so large that most of it would not have stayed anyway.
/// </remarks>
internal static unsafe class SimdStream
{
    // Half of a usual last-level cache: what is written here lies beside what was read.
    private const long LeastBytes = 16L << 20;

    private const int Alignment = 64;
    private const int LineFloats = 16;

    /// <summary>Whether rows of a result should be stored past the caches.</summary>
    /// <param name="result">[rows, width].</param>
    /// <param name="rows">Rows.</param>
    /// <param name="width">Floats of a row.</param>
    public static bool Pays(float* result, long rows, long width) =>
        Pays((byte*)result, rows, width * sizeof(float));

    /// <summary>As above, of rows of so many bytes.</summary>
    public static bool Pays(byte* result, long rows, long rowBytes) =>
        rows * rowBytes >= LeastBytes && (nint)result % Alignment == 0
        && rowBytes % Alignment == 0;

    /// <summary>Stores past the caches, or not.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<T>(T value, float* destination, bool streaming)
        where T : struct, ISimdFloat<T>
    {
        if (streaming) T.StoreStreaming(value, destination);
        else T.Store(value, destination);
    }

    /// <summary>Makes stores past the caches visible before whatever follows.</summary>
    public static void Fence()
    {
        if (Sse.IsSupported) Sse.StoreFence();
        else Thread.MemoryBarrier();
    }

    /// <summary>Asks for a line, to lie in the second-level cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fetch(void* line)
    {
        if (Sse.IsSupported) Sse.Prefetch1(line);
    }

    /// <summary>Asks for the lines of four vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void FetchFour<T>(float* lines) where T : struct, ISimdFloat<T>
    {
        Fetch(lines);
        if (T.Width > 4) Fetch(lines + LineFloats);
        if (T.Width <= 8) return;
        Fetch(lines + (2 * LineFloats));
        Fetch(lines + (3 * LineFloats));
    }
}
