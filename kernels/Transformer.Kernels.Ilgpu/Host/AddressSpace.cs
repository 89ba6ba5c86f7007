using ILGPU;
using ILGPU.Runtime;

namespace Transformer.Kernels.Ilgpu.Host;

/// <summary>All of a device's addresses as one buffer, so that memory from anywhere can be viewed
/// by its address, without a copy or an allocation.</summary>
/// <remarks>It owns nothing and copies nothing.</remarks>
internal sealed class AddressSpace : MemoryBuffer
{
    private AddressSpace(Accelerator accelerator) : base(accelerator, long.MaxValue, 1) =>
        NativePtr = 0;

    /// <summary>Lives as long as the accelerator.</summary>
    public static AddressSpace Of(Accelerator accelerator) => new(accelerator);

    protected override void MemSet(
        AcceleratorStream stream, byte value, in ArrayView<byte> targetView) =>
        throw new NotSupportedException("an address space is not cleared as a whole");

    protected override void CopyTo(
        AcceleratorStream stream, in ArrayView<byte> sourceView,
        in ArrayView<byte> targetView) =>
        throw new NotSupportedException("an address space is not copied as a whole");

    protected override void CopyFrom(
        AcceleratorStream stream, in ArrayView<byte> sourceView,
        in ArrayView<byte> targetView) =>
        throw new NotSupportedException("an address space is not copied as a whole");

    protected override void DisposeAcceleratorObject(bool disposing)
    {
    }
}
