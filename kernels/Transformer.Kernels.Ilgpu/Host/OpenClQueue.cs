using ILGPU;
using ILGPU.Backends.OpenCL;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.OpenCL;

namespace Transformer.Kernels.Ilgpu.Host;

/// <summary>GPUs with OpenCL. Buffers there have no addresses; each gets a range of numbers that
/// stand for it.</summary>
internal sealed class OpenClQueue : GpuQueue
{
    protected override string Kind => "OpenCL GPU";

    // ILGPU multiplies groups and threads as 32-bit integers.
    protected override long GridThreads => int.MaxValue;

    public override ArrayView<T> View<T>(nint address, long length) => address == 0 ? default
        : ((OpenClMemory)Blocks).At(address, length * Interop.SizeOf<T>()).Cast<T>();

    // Without profiling, which would cost every launch an event: the host's clock has to do.
    protected override Context CreateContext() => Context.Create(builder => builder.OpenCL());

    protected override Accelerator? CreateAccelerator(Context context) =>
        context.GetCLDevices().Count == 0 ? null : context.CreateCLAccelerator(0);

    protected override ILGPU.Backends.Backend CreateBackend(Context context, Accelerator device)
    {
        CLAccelerator opened = (CLAccelerator)device;
        return new CLBackend(context, opened.Capabilities, opened.Vendor, opened.CLStdVersion);
    }

    protected override GpuMemory CreateMemory(Accelerator device) =>
        new OpenClMemory(device, Gate);
}

/// <summary>Memory of a GPU with OpenCL.</summary>
internal sealed class OpenClMemory(Accelerator device, Lock gate) : GpuMemory(device, gate)
{
    private const long First = 1L << 40, Space = 256;

    private readonly Accelerator device = device;
    private readonly Lock gate = gate;
    private readonly CLStream stream = (CLStream)device.DefaultStream;
    private readonly SortedList<long, MemoryBuffer1D<byte, Stride1D.Dense>> buffers = [];
    private long next = First;

    /// <summary>The bytes that an address stands for.</summary>
    /// <exception cref="ArgumentException">It is not an address of this memory.</exception>
    public ArrayView<byte> At(nint address, long bytes)
    {
        lock (gate)
        {
            int low = 0, high = buffers.Count;
            while (low < high)
            {
                int middle = (low + high) / 2;
                if (buffers.Keys[middle] <= address) low = middle + 1;
                else high = middle;
            }

            long offset = low == 0 ? -1 : address - buffers.Keys[low - 1];
            if (offset < 0 || offset + bytes > buffers.Values[low - 1].LengthInBytes)
            {
                throw new ArgumentException($"ILGPU: address {address} with {bytes} bytes is not " +
                    "in this backend's memory. Allocate tensors on the backend they are used on.");
            }

            return buffers.Values[low - 1].View.BaseView.SubView(offset, bytes);
        }
    }

    protected override nint Add(MemoryBuffer1D<byte, Stride1D.Dense> buffer)
    {
        long address = next;
        next += (buffer.LengthInBytes + (2 * Space) - 1) / Space * Space;
        buffers.Add(address, buffer);
        return (nint)address;
    }

    protected override void Remove(nint address) => buffers.Remove(address);

    protected override void Upload(nint source, nint destination, long bytes)
    {
        using CPUMemoryBuffer host = CPUMemoryBuffer.Create(device, source, bytes, 1);
        CLMemoryBuffer.CLCopy(
            stream, new ArrayView<byte>(host, 0, bytes), At(destination, bytes));
        stream.Synchronize();
    }

    protected override void Download(nint source, nint destination, long bytes)
    {
        using CPUMemoryBuffer host = CPUMemoryBuffer.Create(device, destination, bytes, 1);
        CLMemoryBuffer.CLCopy(stream, At(source, bytes), new ArrayView<byte>(host, 0, bytes));
        stream.Synchronize();
    }

    protected override void CopyWithin(nint source, nint destination, long bytes) =>
        CLMemoryBuffer.CLCopy(stream, At(source, bytes), At(destination, bytes));

    protected override void Fill(nint address, long bytes) =>
        CLMemoryBuffer.CLMemSet(stream, 0, At(address, bytes));
}
