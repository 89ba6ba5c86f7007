using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Embedding;
using Transformer.Kernels.Ilgpu.Host;
using Transformer.Kernels.Ilgpu.Launch;

namespace Transformer.Kernels.Ilgpu.Tests;

/// <summary>What surrounds the kernels, on ILGPU's CPU accelerator.</summary>
public sealed class AcceleratorTests
{
    [Fact]
    public void FailedCompile_SaysWhyAndSpoilsNoLaterOne()
    {
        CpuQueue queue = new();
        string message = Assert.Throws<NotSupportedException>(
            () => queue.Load<EmbeddingLists>(BadKernels.TakesAnObject)).Message;
        Assert.StartsWith(
            "ILGPU: kernel BadKernels.TakesAnObject does not compile: ", message,
            StringComparison.Ordinal);
        int[] counts = [7, 7, 7];
        Clear(queue, counts);
        Assert.Equal([0, 0, 0], counts);
    }

    [Fact]
    public void Timer_MeasuresFromOneMarkToTheOther()
    {
        using Context context = Context.Create(builder => builder.CPU().Profiling());
        using Accelerator device = context.GetCPUDevice(0).CreateCPUAccelerator(context);
        using StreamTimer timer = new(device, new(), 1 << 20);
        Assert.Equal(1 << 20, timer.CacheBytes);
        timer.Start();
        Thread.Sleep(100);
        timer.Start(); // begins anew
        Thread.Sleep(20);
        // Half of it: the accelerator's marks are the wall clock's, which may be set meanwhile.
        Assert.True(timer.Stop() >= 0.01);
    }

    [Fact]
    public void GpuMemory_ReusesItsPiecesAndAllocatesNothing()
    {
        using Context context = Context.Create(builder => builder.CPU());
        using Accelerator device = context.GetCPUDevice(0).CreateCPUAccelerator(context);
        PooledMemory memory = new(device);
        nint first;
        using (Scratch rented = memory.Rent(1000))
        {
            first = rented.Address;
            using Scratch other = memory.Rent(1000);
            Assert.NotEqual(first, other.Address);
        }

        using (MemoryBlock block = memory.Allocate(1000))
        {
            Assert.Equal(first, block.Address); // the last that was given back
            Assert.Equal(1024, block.Size);
            Assert.Equal(0, ManagedAllocations.Least(() =>
            {
                using Scratch rented = memory.Rent(900);
                memory.CopyFromHost(0, rented.Address, 4);
                memory.Copy(block.Address, rented.Address, 4);
                memory.Clear(rented.Address, 4);
                memory.CopyToHost(rented.Address, 0, 4);
            }));
        }

        Assert.Equal(2, memory.Known);
    }

    /// <summary>The CPU runs kernels in the caller's time.</summary>
    [Fact]
    public void CpuAccelerator_HasNoTimer() => Assert.Null(TestDevice.Backend.CreateTimer());

    private static unsafe void Clear(CpuQueue queue, int[] counts)
    {
        KernelLauncher<EmbeddingLists> clear = queue.Load<EmbeddingLists>(EmbeddingGradients.Clear);
        int threads = queue.Limits.MaximumThreads;
        fixed (int* address = counts)
        {
            clear(new(1, threads), new()
            {
                Counts = queue.View<int>((nint)address, counts.Length),
                TableRows = counts.Length,
            });
        }
    }
}

/// <summary>A GPU's memory without the GPU: allocations are real, copies do nothing.</summary>
internal sealed class PooledMemory(Accelerator device) : GpuMemory(device, new())
{
    /// <summary>Buffers with an address.</summary>
    public int Known { get; private set; }

    protected override nint Add(MemoryBuffer1D<byte, Stride1D.Dense> buffer)
    {
        Known++;
        return buffer.NativePtr;
    }

    protected override void Remove(nint address) => Known--;

    protected override void Upload(nint source, nint destination, long bytes)
    {
    }

    protected override void Download(nint source, nint destination, long bytes)
    {
    }

    protected override void CopyWithin(nint source, nint destination, long bytes)
    {
    }

    protected override void Fill(nint address, long bytes)
    {
    }
}

/// <summary>Kernels that no device can run.</summary>
internal static class BadKernels
{
    public static void TakesAnObject(EmbeddingLists p) => p.Ids[0] = new object().GetHashCode();
}
