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

    /// <summary>Puts the kernel into the queue; returns before it has run.</summary>
    /// <param name="shape">Of the launch; no blocks: nothing is launched.</param>
    /// <param name="argument">The kernel's argument, laid out as its struct in CUDA C.</param>
    public void Launch<T>(in LaunchShape shape, in T argument) where T : unmanaged
    {
        if (shape.Blocks == 0 || shape.BlocksY == 0 || shape.BlocksZ == 0) return;
        CudaStream stream = queue.Stream;
        stream.Device.Enter();
        if (function == 0)
        {
            CudaModule module =
                load?.Invoke(stream.Device) ?? stream.Device.Kernels.Module(file);
            function = module.Function(name);
        }

        nuint size = (nuint)sizeof(T);
        fixed (T* pointer = &argument)
        {
            void** extra = stackalloc void*[]
            {
                (void*)BufferPointer, pointer, (void*)BufferSize, &size, (void*)End,
            };
            int status = DriverApi.cuLaunchKernel(
                function, shape.Blocks, shape.BlocksY, shape.BlocksZ, shape.Threads, 1, 1,
                (uint)shape.SharedBytes, stream.Handle, null, extra);
            if (status != 0) Fail(status, shape);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Fail(int status, LaunchShape shape) => CudaException.Check(
        status, queue.Device.Description,
        $"{name}, {shape.Blocks}×{shape.BlocksY}×{shape.BlocksZ} blocks of {shape.Threads} " +
        $"threads, {shape.SharedBytes} bytes of shared memory",
        nameof(DriverApi.cuLaunchKernel));
}
