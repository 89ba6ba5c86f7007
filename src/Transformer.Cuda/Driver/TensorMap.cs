using System.Runtime.CompilerServices;
using Transformer.Tensors;

namespace Transformer.Cuda.Driver;

/// <summary>What the copy engine of compute capability 9.0 must know of a tensor, a CUtensorMap;
/// part of a kernel's argument.</summary>
[InlineArray(Words)]
internal unsafe struct TensorMap
{
    private const int Words = 16, Alignment = 64;
    private const int SixteenBitFloat = 6, SixteenBitBrain = 9;
    private const int Swizzle128 = 3, PromoteTo256 = 3;

    private ulong first;

    /// <summary>Bytes in global memory from one index to the next must be multiples of this.
    /// </summary>
    public const int StrideBytes = 16;

    /// <summary>Elements of 16 bits in a box's row: 128 bytes, the width of its swizzle.</summary>
    public const int BoxWidth = 64;

    /// <summary>A map of a tensor whose boxes lie in shared memory in the 128-byte swizzle.
    /// </summary>
    /// <param name="device">Where the tensor lies.</param>
    /// <param name="view">The tensor, Float16 or BFloat16, on 16 bytes.</param>
    /// <param name="sizes">Of its axes, the contiguous one first; zeros are read beyond.</param>
    /// <param name="strides">Elements, of all axes but the first.</param>
    /// <param name="rows">Of a box along the second axis; it is 1 along later ones.</param>
    /// <exception cref="CudaException">The driver refuses it.</exception>
    public static TensorMap Of(
        CudaDevice device, BufferView view, ReadOnlySpan<long> sizes, ReadOnlySpan<long> strides,
        int rows)
    {
        int rank = sizes.Length;
        ulong* size = stackalloc ulong[rank];
        ulong* stride = stackalloc ulong[rank];
        uint* box = stackalloc uint[rank];
        uint* steps = stackalloc uint[rank];
        for (int i = 0; i < rank; i++)
        {
            size[i] = (ulong)sizes[i];
            box[i] = i == 0 ? BoxWidth : i == 1 ? (uint)rows : 1;
            steps[i] = 1;
            // One index has no next one, whatever stride is named.
            if (i > 0)
                stride[i - 1] = sizes[i] == 1 ? StrideBytes : (ulong)strides[i - 1] * sizeof(short);
        }

        byte* room = stackalloc byte[(Words * sizeof(ulong)) + Alignment];
        nint place = ((nint)room + Alignment - 1) / Alignment * Alignment;
        int type = view.DType == DType.Float16 ? SixteenBitFloat : SixteenBitBrain;
        int status = DriverApi.cuTensorMapEncodeTiled(
            place, type, (uint)rank, view.Address, size, stride, box, steps, 0, Swizzle128,
            PromoteTo256, 0);
        CudaException.Check(
            status, device.Description, "a tensor map", nameof(DriverApi.cuTensorMapEncodeTiled));
        return Unsafe.Read<TensorMap>((void*)place);
    }
}
