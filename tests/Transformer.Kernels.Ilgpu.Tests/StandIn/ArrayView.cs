using System.Runtime.CompilerServices;

namespace ILGPU;

/// <summary>Stand-in: a run of elements; every access is checked.</summary>
public readonly unsafe struct ArrayView<T> where T : unmanaged
{
    private readonly T* start;

    public ArrayView(nint address, long length)
    {
        start = (T*)address;
        Length = length;
    }

    public long Length { get; }

    public int IntLength => checked((int)Length);

    public bool IsValid => start != null && Length > 0;

    public ref T this[int index] => ref this[(long)index];

    public ref T this[long index]
    {
        get
        {
            if ((ulong)index >= (ulong)Length)
            {
                throw new InvalidOperationException(
                    $"a kernel asks for element {index} of {Length} of type {typeof(T).Name}");
            }

            return ref start[index];
        }
    }

    public ArrayView<T> SubView(long index, long length)
    {
        if (index < 0 || length < 0 || index > Length - length)
            throw new InvalidOperationException($"[{index}, {index + length}) of {Length}");
        return new((nint)(start + index), length);
    }

    public ArrayView<TOther> Cast<TOther>() where TOther : unmanaged
    {
        if ((nint)start % Unsafe.SizeOf<TOther>() != 0)
            throw new InvalidOperationException($"not aligned for {typeof(TOther).Name}");
        return new((nint)start, Length * sizeof(T) / sizeof(TOther));
    }
}
