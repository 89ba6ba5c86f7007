using System.Numerics;
using System.Runtime.InteropServices;

namespace Transformer.Tensors;

/// <summary>
/// Pooled host memory, 64-byte aligned, outside the garbage-collected heap. A returned block is
/// kept for the next request of its size class, so steady-state work allocates nothing.
/// </summary>
/// <remarks>
/// Size classes are powers of two and the three steps between them, so at most 25 % is wasted.
/// The free blocks of a class form a list through their own first bytes, guarded by a spin lock
/// of a few instructions: the pool itself never touches the managed heap.
/// Safe to call from many threads.
/// </remarks>
public static unsafe class HostMemory
{
    /// <summary>Alignment of every block, in bytes: one cache line, one 512-bit vector.</summary>
    public const int Alignment = 64;

    private const long SmallestClass = 4096;

    private static readonly nint[] Free = new nint[64 * 8];
    private static int gate;
    private static long rentedBytes;

    /// <summary>Bytes rented and not yet returned, by size class; for leak checks.</summary>
    public static long RentedBytes => Interlocked.Read(ref rentedBytes);

    /// <summary>Takes a block of at least <paramref name="bytes"/> bytes; contents undefined.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative size.</exception>
    /// <exception cref="OutOfMemoryException">The system has no such block.</exception>
    public static HostBlock Rent(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        int sizeClass = SizeClass(bytes, out long size);
        Enter();
        nint pooled = Free[sizeClass];
        if (pooled != 0) Free[sizeClass] = *(nint*)pooled;
        Leave();
        nint address = pooled != 0
            ? pooled : (nint)NativeMemory.AlignedAlloc((nuint)size, Alignment);
        Interlocked.Add(ref rentedBytes, size);
        return new(address, size);
    }

    /// <summary>Frees every pooled block that is not in use.</summary>
    public static void Trim()
    {
        for (int sizeClass = 0; sizeClass < Free.Length; sizeClass++)
        {
            Enter();
            nint block = Free[sizeClass];
            Free[sizeClass] = 0;
            Leave();
            while (block != 0)
            {
                nint next = *(nint*)block;
                NativeMemory.AlignedFree((void*)block);
                block = next;
            }
        }
    }

    internal static void Return(nint address, long size)
    {
        int sizeClass = SizeClass(size, out _);
        Interlocked.Add(ref rentedBytes, -size);
        Enter();
        *(nint*)address = Free[sizeClass];
        Free[sizeClass] = address;
        Leave();
    }

    /// <summary>The class of a request: its power of two and how many eighths of it.</summary>
    private static int SizeClass(long bytes, out long size)
    {
        size = SmallestClass;
        if (bytes <= SmallestClass) return 0;
        if (bytes > 1L << 62)
        {
            throw new InsufficientMemoryException(
                $"HostMemory: {bytes} bytes asked for; no machine has them. Use smaller sizes.");
        }

        long power = (long)BitOperations.RoundUpToPowerOf2((ulong)bytes);
        long step = power / 8;
        long eighths = (bytes + step - 1) / step;
        size = checked(eighths * step);
        return (BitOperations.Log2((ulong)power) * 8) + (int)eighths - 1;
    }

    private static void Enter()
    {
        SpinWait spin = default;
        while (Interlocked.Exchange(ref gate, 1) != 0) spin.SpinOnce();
    }

    private static void Leave() => Volatile.Write(ref gate, 0);
}

/// <summary>A rented block of host memory; dispose it exactly once to return it.</summary>
public readonly unsafe struct HostBlock : IDisposable
{
    internal HostBlock(nint address, long size)
    {
        Address = address;
        Size = size;
    }

    /// <summary>Address of the first byte, 64-byte aligned.</summary>
    public nint Address { get; }

    /// <summary>Usable bytes; at least what was asked for.</summary>
    public long Size { get; }

    /// <summary>The block as a typed pointer.</summary>
    public T* Pointer<T>() where T : unmanaged => (T*)Address;

    /// <summary>Returns the block to the pool.</summary>
    public void Dispose()
    {
        if (Address != 0) HostMemory.Return(Address, Size);
    }
}
