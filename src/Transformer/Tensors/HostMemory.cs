using System.Runtime.InteropServices;

namespace Transformer.Tensors;

/// <summary>
/// Pooled host memory, 64-byte aligned, outside the garbage-collected heap. A returned block is
/// kept for the next request of its size class, so steady-state work allocates nothing.
/// </summary>
/// <remarks>
/// Size classes are powers of two and the three steps between them, so at most 25 % is wasted.
/// Safe to call from many threads.
/// </remarks>
public static unsafe class HostMemory
{
    /// <summary>Alignment of every block, in bytes: one cache line, one 512-bit vector.</summary>
    public const int Alignment = 64;

    private static readonly Lock Gate = new();
    private static readonly Dictionary<long, Stack<nint>> Free = [];
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
        long size = SizeClass(bytes);
        Interlocked.Add(ref rentedBytes, size);
        lock (Gate)
        {
            if (Free.TryGetValue(size, out Stack<nint>? stack) && stack.TryPop(out nint pooled))
            {
                return new(pooled, size);
            }
        }

        return new((nint)NativeMemory.AlignedAlloc((nuint)size, Alignment), size);
    }

    /// <summary>Frees every pooled block that is not in use.</summary>
    public static void Trim()
    {
        lock (Gate)
        {
            foreach (Stack<nint> stack in Free.Values)
            {
                while (stack.TryPop(out nint address)) NativeMemory.AlignedFree((void*)address);
            }
        }
    }

    internal static void Return(nint address, long size)
    {
        Interlocked.Add(ref rentedBytes, -size);
        lock (Gate)
        {
            ref Stack<nint>? stack =
                ref CollectionsMarshal.GetValueRefOrAddDefault(Free, size, out _);
            (stack ??= new()).Push(address);
        }
    }

    private static long SizeClass(long bytes)
    {
        if (bytes <= 4096) return 4096;
        long power = (long)System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)bytes);
        long step = power / 8;
        return checked((bytes + step - 1) / step * step);
    }
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
