using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Cuda.Memory;
using Transformer.Tensors;

namespace Transformer.Cuda.Tests.Driver;

/// <summary>Device memory: copies by way of pinned memory, limits, leaks, many threads.</summary>
public sealed class MemoryTests
{
    private readonly CudaBackend backend = EmulatedDevice.Require(EmulatedDevice.Counted);

    // Around a piece of staging memory, around all pieces, and more than twice round.
    [SkippableTheory]
    [InlineData(1)]
    [InlineData(CudaStaging.PieceBytes - 1)]
    [InlineData(CudaStaging.PieceBytes)]
    [InlineData(CudaStaging.PieceBytes + 1)]
    [InlineData((4 * CudaStaging.PieceBytes) + 3)]
    [InlineData((9 * CudaStaging.PieceBytes) + 5)]
    public unsafe void Copies_KeepEveryByte(int bytes)
    {
        byte[] source = new byte[bytes], target = new byte[bytes];
        new Random(bytes).NextBytes(source);
        byte[] expected = [.. source];
        using MemoryBlock block = backend.Memory.Allocate(bytes);
        fixed (byte* from = source, to = target)
        {
            backend.Memory.CopyFromHost((nint)from, block.Address, bytes);
            // The source is its owner's again at once, long before the device has the data.
            source.AsSpan().Fill(0xEE);
            backend.Memory.CopyToHost(block.Address, (nint)to, bytes);
        }

        Assert.True(expected.AsSpan().SequenceEqual(target));
    }

    [SkippableFact]
    public void MoreThanTheDeviceHas_IsRefusedWithARemedy()
    {
        InsufficientMemoryException refused = Assert.Throws<InsufficientMemoryException>(
            () => backend.Memory.Allocate(1L << 40));
        Assert.Equal("CUDA: cuMemAllocAsync (1099511627776 bytes) gave CUDA_ERROR_OUT_OF_MEMORY " +
            "(2: out of memory) on device 2 'CUDA emulation on the CPU'. Use a smaller batch, or " +
            "free other tensors first.", refused.Message);
        using Tensor fits = new(new(16), DType.Float32, backend.Memory);
    }

    [SkippableFact]
    public void TensorsNobodyDisposed_AreCounted()
    {
        int before = backend.LeakedBlocks;
        long bytes = backend.AllocatedBytes;
        Lose(backend.Memory);
        for (int i = 0; i < 100 && backend.LeakedBlocks == before; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.Equal(before + 1, backend.LeakedBlocks);
        Assert.Equal(bytes, backend.AllocatedBytes);
        using (Tensor kept = new(new(1000), DType.Float32, backend.Memory))
        {
            Assert.Equal(bytes + 4000, backend.AllocatedBytes);
        }

        Assert.Equal(bytes, backend.AllocatedBytes);
        Assert.Equal(before + 1, backend.LeakedBlocks);
    }

    [SkippableFact]
    public void ManyThreads_KeepTheirDataApart()
    {
        const int Threads = 8, Length = 4000;
        Parallel.For(0, Threads, new ParallelOptions { MaxDegreeOfParallelism = Threads }, thread =>
        {
            using Tensor first = new(new(Length), DType.Int32, backend.Memory);
            using Tensor second = new(new(Length), DType.Int32, backend.Memory);
            int[] values = new int[Length];
            for (int round = 0; round < 20; round++)
            {
                values.AsSpan().Fill((thread * 100) + round);
                first.CopyFrom<int>(values);
                backend.Memory.Copy(first.View.Address, second.View.Address, Length * sizeof(int));
                values.AsSpan().Clear();
                second.CopyTo<int>(values);
                Assert.All(values, value => Assert.Equal((thread * 100) + round, value));
            }
        });
    }

    [SkippableFact]
    public void SteadyState_AllocatesNothingOnTheManagedHeap()
    {
        using Tensor tensor = new(new(64, 32), DType.Float32, backend.Memory);
        float[] values = new float[64 * 32];
        Ops.LayerNormForward norm =
            new() { Input = tensor.View, Output = tensor.View, Rows = 64, Width = 32 };
        PreparedCall call = backend.Prepare(norm);
        Assert.Equal(0, ManagedAllocations.Least(Step, runs: 5));

        void Step()
        {
            tensor.CopyFrom<float>(values);
            call.Run();
            tensor.CopyTo<float>(values);
            backend.Synchronize();
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Lose(BackendMemory memory)
    {
        Tensor lost = new(new(1000), DType.Float32, memory);
        Assert.False(lost.IsDisposed);
    }
}
