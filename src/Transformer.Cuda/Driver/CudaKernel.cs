using System.Runtime.CompilerServices;

namespace Transformer.Cuda.Driver;

/// <summary>A kernel that takes one plain struct; loaded when it is first launched.</summary>
/// <param name="queue">Where it is launched.</param>
/// <param name="file">The file of native/ that it is in.</param>
/// <param name="name">Its name there.</param>
/// <param name="load">Loads another file in place of that one; null: the library's own.</param>
internal sealed unsafe class CudaKernel(
    CudaQueue queue, string file, string name, Func<CudaDevice, CudaModule>? load = null)
{
    // Markers of the driver's list of launch parameters.
    private const nint BufferPointer = 1, BufferSize = 2, End = 0;

    private nint function;
    private long known; // shared bytes, threads and blocks of the last question, 32, 16 and 16 bits

    /// <summary>Blocks that a multiprocessor runs at a time, by the registers and the shared memory
    /// that they need; at least 1.</summary>
    public int BlocksPerMultiprocessor(uint threads, int sharedBytes)
    {
        // Calls of one shape ask for the same.
        long asked = ((long)sharedBytes << 32) | (threads << 16), last = Volatile.Read(ref known);
        if ((last & ~0xFFFFL) == asked) return (int)(last & 0xFFFF);
        CudaDevice device = queue.Device;
        device.Enter();
        CudaException.Check(
            DriverApi.cuOccupancyMaxActiveBlocksPerMultiprocessor(
                out int blocks, Function(device), (int)threads, (nuint)sharedBytes),
            device.Description, name);
        blocks = Math.Max(1, blocks);
        Volatile.Write(ref known, asked | (long)blocks);
        return blocks;
    }

    /// <summary>Puts the kernel into the queue; returns before it has run.</summary>
    /// <param name="shape">Of the launch; no blocks: nothing is launched.</param>
    /// <param name="argument">The kernel's argument, laid out as its struct in CUDA C.</param>
    public void Launch<T>(in LaunchShape shape, in T argument) where T : unmanaged
    {
        if (shape.Blocks == 0 || shape.BlocksY == 0 || shape.BlocksZ == 0) return;
        CudaStream stream = queue.Stream;
        stream.Device.Enter();
        nint entry = Function(stream.Device);
        nuint size = (nuint)sizeof(T);
        fixed (T* pointer = &argument)
        {
            void** extra = stackalloc void*[]
            {
                (void*)BufferPointer, pointer, (void*)BufferSize, &size, (void*)End,
            };
            int status = DriverApi.cuLaunchKernel(
                entry, shape.Blocks, shape.BlocksY, shape.BlocksZ, shape.Threads, 1, 1,
                (uint)shape.SharedBytes, stream.Handle, null, extra);
            if (status != 0) Fail(status, shape);
        }
    }

    private nint Function(CudaDevice device)
    {
        if (function != 0) return function;
        CudaModule module = load?.Invoke(device) ?? device.Kernels.Module(file);
        return function = module.Function(name);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Fail(int status, LaunchShape shape) => CudaException.Check(
        status, queue.Device.Description,
        $"{name}, {shape.Blocks}×{shape.BlocksY}×{shape.BlocksZ} blocks of {shape.Threads} " +
        $"threads, {shape.SharedBytes} bytes of shared memory",
        nameof(DriverApi.cuLaunchKernel));
}
