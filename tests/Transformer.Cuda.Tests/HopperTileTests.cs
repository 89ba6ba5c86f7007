using System.Runtime.InteropServices;
using Transformer.Cuda.Driver;
using Transformer.Cuda.Memory;
using Transformer.Tensors;

namespace Transformer.Cuda.Tests;

/// <summary>The operations of native/include/hopper.cuh, by the kernels of
/// native/Testing/hopper_tiles.cu.</summary>
[Collection(nameof(EmulatedDevice.Breakable))]
public sealed unsafe partial class HopperTileTests : IDisposable
{
    private const int Rows = 56, Depth = 56, Columns = 120;
    private const int AllRows = 64, AllColumns = 128, LaunchFailed = 719;

    public enum Forgotten { Nothing, FullWait, ProductsWait, Fence, EmptyWait, Alignment }

    public void Dispose()
    {
        if (!EmulatedDevice.IsPresent) return;
        EmulatedDevice.Require(EmulatedDevice.Breakable).Queue.Device.Enter();
        transformer_emulation_reset();
    }

    [SkippableTheory]
    [InlineData(DType.Float16, false, false, false)]
    [InlineData(DType.Float16, true, false, false)]
    [InlineData(DType.BFloat16, false, true, false)]
    [InlineData(DType.BFloat16, true, true, false)]
    [InlineData(DType.Float16, false, false, true)]
    [InlineData(DType.BFloat16, false, false, true)]
    public void MultipliesAsPlainLoops(
        DType type, bool aAcross, bool bAcross, bool aInRegisters)
    {
        // Multiples of 1/4 up to 1: their products and sums are exact in binary32.
        double[] a = Numbers(Rows * Depth, 1), b = Numbers(Depth * Columns, 2);
        float[] c = Run(type, a, b, aAcross, bAcross, aInRegisters, Forgotten.Nothing);
        for (int i = 0; i < AllRows; i++)
        {
            for (int j = 0; j < AllColumns; j++)
            {
                // What lies outside of a tensor counts as zeros.
                double expected = i >= Rows || j >= Columns ? 0 : Enumerable.Range(0, Depth)
                    .Sum(k => a[(i * Depth) + k] * b[(k * Columns) + j]);
                Assert.Equal(expected, c[(i * AllColumns) + j]);
            }
        }
    }

    // By chance a copy or a product may be as early as if it had been waited for.
    [SkippableTheory]
    [InlineData(Forgotten.FullWait)]
    [InlineData(Forgotten.ProductsWait)]
    public void AForgottenWaitShows(Forgotten forgotten)
    {
        double[] a = Numbers(Rows * Depth, 1), b = Numbers(Depth * Columns, 2);
        float[] right = Run(DType.Float16, a, b, false, false, false, Forgotten.Nothing);
        int wrong = Enumerable.Range(0, 40).Count(_ =>
            !right.SequenceEqual(Run(DType.Float16, a, b, false, false, false, forgotten)));
        Assert.InRange(wrong, 1, 40);
    }

    [SkippableTheory]
    [InlineData(Forgotten.Fence, "no wgmma.fence")]
    [InlineData(Forgotten.EmptyWait, "more threads arrive at an mbarrier than it counts")]
    [InlineData(Forgotten.Alignment, "a tile of the copy engine is not aligned")]
    public void WhatIsNotOrdered_IsReported(Forgotten forgotten, string told)
    {
        double[] a = Numbers(Rows * Depth, 1), b = Numbers(Depth * Columns, 2);
        CudaException fault = Assert.Throws<CudaException>(
            () => Run(DType.Float16, a, b, false, false, false, forgotten));
        Assert.Equal(LaunchFailed, fault.Status);
        Assert.Contains(told, fault.Message, StringComparison.Ordinal);
    }

    private static double[] Numbers(int count, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(-4, 5) / 4.0)];
    }

    private static Half[] Bits(DType type, double[] values) => [.. values.Select(v =>
        type == DType.Float16 ? (Half)v : BitConverter.UInt16BitsToHalf(
            (ushort)(BitConverter.SingleToUInt32Bits((float)v) >> 16)))];

    private static T[] Transpose<T>(T[] matrix, int rows, int columns) => [.. Enumerable
        .Range(0, matrix.Length).Select(i => matrix[(i % rows * columns) + (i / rows)])];

    private static float[] Run(
        DType type, double[] a, double[] b, bool aAcross, bool bAcross, bool aInRegisters,
        Forgotten forgotten)
    {
        CudaBackend backend = EmulatedDevice.Require(EmulatedDevice.Breakable);
        CudaQueue queue = backend.Queue;
        using DeviceArray<Half> first =
            new(backend, Bits(type, aAcross ? Transpose(a, Rows, Depth) : a));
        using DeviceArray<Half> second =
            new(backend, Bits(type, bAcross ? b : Transpose(b, Depth, Columns)));
        using DeviceArray<float> result = new(backend, new float[AllRows * AllColumns]);
        (long Width, long Height) ofA = aAcross ? (Rows, Depth) : (Depth, Rows);
        (long Width, long Height) ofB = bAcross ? (Columns, Depth) : (Depth, Columns);
        CudaKernel kernel = queue.Kernel(
            "hopper_tiles", type == DType.Float16 ? "hopper_tiles_f16" : "hopper_tiles_bf16");
        kernel.Launch(new(1, 256, 1024 + 8192 + 16384 + 16), new Argument
        {
            A = Map(first, ofA, 64),
            B = Map(second, ofB, bAcross ? 64 : 128),
            C = result.View.Address,
            AAcross = aAcross ? 1 : 0,
            BAcross = bAcross ? 1 : 0,
            AInRegisters = aInRegisters ? 1 : 0,
            Forgotten = forgotten,
        });
        return result.Read();

        TensorMap Map(DeviceArray<Half> array, (long Width, long Height) sizes, int rows) =>
            TensorMap.Of(queue.Device, new(array.View.Address, array.View.Length, type),
                [sizes.Width, sizes.Height], [sizes.Width], rows);
    }

    [LibraryImport("libcuda_emulated.so")]
    private static partial void transformer_emulation_reset();

    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public TensorMap A, B;
        public nint C;
        public int AAcross, BAcross, AInRegisters;
        public Forgotten Forgotten;
    }
}
