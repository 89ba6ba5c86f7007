using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Cuda.Tests;

/// <summary>Numbers in the memory of the emulated device.</summary>
internal sealed unsafe class DeviceArray<T> : IDisposable where T : unmanaged
{
    private readonly BackendMemory memory;
    private readonly MemoryBlock block;
    private readonly int length;

    public DeviceArray(CudaBackend backend, params T[] values)
    {
        memory = backend.Memory;
        length = values.Length;
        block = memory.Allocate((long)length * sizeof(T));
        fixed (T* source = values)
            memory.CopyFromHost((nint)source, block.Address, (long)length * sizeof(T));
    }

    public BufferView View => BufferView.Of((T*)block.Address, length);

    public T[] Read()
    {
        T[] values = new T[length];
        fixed (T* target = values)
            memory.CopyToHost(block.Address, (nint)target, (long)length * sizeof(T));
        return values;
    }

    public void Dispose() => block.Dispose();
}
