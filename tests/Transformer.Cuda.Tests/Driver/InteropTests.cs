using System.Runtime.InteropServices;
using Transformer.Cuda.Driver;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cuda.Tests.Driver;

/// <summary>Streams, contexts, memory and devices that others made.</summary>
[Collection(nameof(EmulatedDevice.Breakable))]
public sealed partial class InteropTests
{
    private const int Rows = 3, Width = 8;

    private readonly CudaBackend backend = EmulatedDevice.Require();

    [SkippableFact]
    public void StreamAndMemoryOfOthers_AreUsedWithoutACopy()
    {
        using CudaStream theirs = new(backend.Queue.Device);
        CudaBackend onTheirs = CudaBackend.OnStream(theirs.Handle);
        Assert.Equal(theirs.Handle, onTheirs.Stream);
        Assert.Equal(backend.Context, onTheirs.Context);
        Assert.Equal(0, DriverApi.cuMemAlloc_v2(out nint address, Rows * Width * sizeof(float)));
        BufferView view = new(address, Rows * Width, DType.Float32);

        Check(onTheirs, view);

        Assert.Equal(0, DriverApi.cuMemFree_v2(address));
        Assert.Equal(0, onTheirs.AllocatedBytes);
    }

    // The emulated multiprocessor has 2048 threads and 228 KiB, 1 KiB of which goes with a block.
    [SkippableTheory]
    [InlineData(256, 0, 8)]
    [InlineData(128, 0, 16)]
    [InlineData(128, 60_000, 3)]
    [InlineData(128, 232_448, 1)]
    public void Occupancy_IsTheDrivers(uint threads, int sharedBytes, int blocks)
    {
        CudaKernel kernel =
            backend.Queue.Kernel("layer_norm", "layer_norm_forward_f32_warp_per_row");
        Assert.Equal(blocks, kernel.BlocksPerMultiprocessor(threads, sharedBytes));
        int again = 0;
        Assert.Equal(0, ManagedAllocations.Least(
            () => again = kernel.BlocksPerMultiprocessor(threads, sharedBytes)));
        Assert.Equal(blocks, again);
    }

    [SkippableFact]
    public void WorkOnAStreamOfOthers_WaitsForTheirWork()
    {
        using CudaStream theirs = new(backend.Queue.Device);
        CudaBackend onTheirs = CudaBackend.OnStream(theirs.Handle);
        using Tensor tensor = new(new(Rows * Width), DType.Float32, onTheirs.Memory);
        // Theirs, not waited for: 1.0f in every element.
        Assert.Equal(0, DriverApi.cuMemsetD8Async(
            tensor.View.Address, 0x3F, Rows * Width * sizeof(float), theirs.Handle));
        onTheirs.Run(Norm(tensor.View));
        float[] values = new float[Rows * Width];
        tensor.CopyTo<float>(values);
        Assert.All(values, value => Assert.Equal(0, value)); // equal elements have no variance
    }

    [SkippableFact]
    public void ContextOfOthers_IsUsed()
    {
        Assert.Equal(0, cuCtxCreate_v2(out nint context, 0, 1));
        CudaBackend there = CudaBackend.InContext(context, 0);
        Assert.Null(there.UnavailableReason);
        Assert.Equal(context, there.Context);
        using (Tensor tensor = new(new(Rows * Width), DType.Float32, there.Memory))
        {
            Check(there, tensor.View);
        }

        there.Synchronize();
        backend.Queue.Device.Enter();
    }

    [SkippableFact]
    public void NoContext_IsRefused() => Assert.Contains(
        "'context' is 0",
        Assert.Throws<ArgumentException>(() => CudaBackend.InContext(0, 0)).Message,
        StringComparison.Ordinal);

    [SkippableFact]
    public void SecondDevice_HasItsOwnMemory()
    {
        Assert.Equal(4, CudaBackend.DeviceCount);
        CudaBackend second = CudaBackend.OnDevice(EmulatedDevice.Breakable);
        Assert.Same(second, CudaBackend.OnDevice(EmulatedDevice.Breakable));
        Assert.Equal("cuda-emulated:1", second.Name);
        Assert.NotEqual(backend.Context, second.Context);
        using Tensor here = new(new(Rows * Width), DType.Float32, backend.Memory);
        using (Tensor there = new(new(Rows * Width), DType.Float32, second.Memory))
        {
            Check(second, there.View);
        }

        // A kernel on the second device may not touch the first one's memory.
        second.Run(Norm(here.View));
        Assert.Equal(700, Assert.Throws<CudaException>(second.Synchronize).Status);
        transformer_emulation_reset();
        Check(backend, here.View);
    }

    [SkippableFact]
    public void DeviceThatIsNotThere_IsAbsentWithAReason()
    {
        Assert.Equal("the CUDA driver has 4 devices; number 7 was asked for",
            CudaBackend.OnDevice(7).UnavailableReason);
        Assert.Contains("number 7 was asked for", Assert.Throws<NotSupportedException>(
            () => CudaBackend.OnDevice(7).Stream).Message, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void ImageForALaterDriver_IsRefusedWithARemedy()
    {
        CudaModule module = new(
            backend.Queue.Device, "late", ".version 99.0\n.target sm_90"u8.ToArray());
        CudaException refused = Assert.Throws<CudaException>(() => module.Function("any"));
        Assert.Equal(222, refused.Status);
        Assert.Contains("CUDA_ERROR_UNSUPPORTED_PTX_VERSION", refused.Message,
            StringComparison.Ordinal);
        Assert.EndsWith("The kernels do not fit this driver; update it.", refused.Message,
            StringComparison.Ordinal);
    }

    [SkippableFact]
    public void Timer_MeasuresTheDevicesWork()
    {
        using Transformer.Backends.IDeviceTimer timer = backend.CreateTimer()!;
        using Tensor tensor = new(new(1 << 20), DType.Float32, backend.Memory);
        backend.Synchronize();
        // The least of ten: a thread that waits for a core is timed, too.
        double nothing = Enumerable.Range(0, 10).Min(_ => Time(0));
        double work = Enumerable.Range(0, 10).Min(_ => Time(50));
        Assert.True(nothing >= 0 && work > nothing, $"{nothing} s, {work} s");

        double Time(int times)
        {
            timer.Start();
            for (int i = 0; i < times; i++) backend.Memory.Clear(tensor.View.Address, 1 << 22);
            return timer.Stop();
        }
    }

    private static LayerNormForward Norm(BufferView view) =>
        new() { Input = view, Output = view, Rows = Rows, Width = Width };

    /// <summary>Normalises the view in place and compares with the CPU.</summary>
    private static unsafe void Check(CudaBackend backend, BufferView view)
    {
        float[] values = [.. Enumerable.Range(0, Rows * Width).Select(i => (i * 5 % 7) - 2.5f)];
        float[] expected = new float[values.Length];
        Ops.LayerNorm.Forward(values, [], [], new(Rows, Width), default, expected);
        fixed (float* pointer = values)
        {
            backend.Memory.CopyFromHost((nint)pointer, view.Address, values.Length * 4);
            backend.Run(Norm(view));
            backend.Memory.CopyToHost(view.Address, (nint)pointer, values.Length * 4);
        }

        // Both round sums of eight values; a few ulp.
        Assert.Equal(expected, values, (a, b) => Math.Abs(a - b) <= 1e-6f * (1 + Math.Abs(a)));
    }

    [LibraryImport("libcuda_emulated.so")]
    private static partial int cuCtxCreate_v2(out nint context, uint flags, int device);

    [LibraryImport("libcuda_emulated.so")]
    private static partial void transformer_emulation_reset();
}
