using System.Runtime.CompilerServices;
using Transformer.Tensors;

namespace Transformer.Layers;

/// <summary>Floats of the garbage-collected heap at an address that stays and is a multiple of
/// <see cref="HostMemory.Alignment"/>; zero at first.</summary>
/// <remarks>A span of them keeps them alive, whatever becomes of their owner: nothing is to be
/// disposed and nothing can dangle.</remarks>
internal readonly struct AlignedFloats
{
    private const int Line = HostMemory.Alignment / sizeof(float);

    private readonly float[]? array;
    private readonly int start;

    public unsafe AlignedFloats(int length)
    {
        array = GC.AllocateArray<float>(length + Line - 1, pinned: true);
        nint address = (nint)Unsafe.AsPointer(ref array[0]);
        start = (int)(-address & (HostMemory.Alignment - 1)) / sizeof(float);
        Length = length;
    }

    /// <summary>How many there are; none in <c>default</c>.</summary>
    public int Length { get; }

    /// <summary>All of them.</summary>
    public Span<float> Span => array.AsSpan(start, Length);
}
