using System.Runtime.InteropServices;
using Transformer.Cuda.Driver;
using Transformer.Cuda.Memory;
using Transformer.Tensors;

namespace Transformer.Cuda.Tests;

/// <summary>The tensor core tiles of native/include/tile.cuh, by the kernels of
/// native/Testing/tiles.cu.</summary>
public sealed unsafe class TileTests
{
    private const int Rows = 32, Depth = 32, Columns = 16;

    [SkippableTheory]
    [InlineData(DType.Float16, false, false)]
    [InlineData(DType.Float16, true, false)]
    [InlineData(DType.Float16, false, true)]
    [InlineData(DType.Float16, true, true)]
    [InlineData(DType.BFloat16, false, false)]
    [InlineData(DType.BFloat16, true, true)]
    public void MultipliesAsPlainLoops(DType type, bool aTransposed, bool bTransposed)
    {
        double[] a = Numbers(Rows * Depth, 1), b = Numbers(Depth * Columns, 2);
        (float[] c, float[] d) = Run(type, a, b, aTransposed, bTransposed, forgetsWait: false);
        double[] expected = Multiply(a, b, Depth);
        // Multiples of 1/4 up to 1: their products and sums are exact in binary32, so the order in
        // which they are added does not matter.
        Assert.Equal(expected, c.Select(v => (double)v));
        Assert.Equal(Multiply([.. c.Select(v => Round(type, v))], b, Columns),
            d.Select(v => (double)v));
    }

    [SkippableFact]
    public void AForgottenWaitShows()
    {
        (float[] c, _) = Run(DType.Float16, Numbers(Rows * Depth, 1), Numbers(Depth * Columns, 2),
            aTransposed: false, bTransposed: false, forgetsWait: true);
        Assert.All(c, v => Assert.True(float.IsNaN(v)));
    }

    private static double[] Numbers(int count, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(-4, 5) / 4.0)];
    }

    // a [Rows, depth] row by row, b [depth, Columns].
    private static double[] Multiply(double[] a, double[] b, int depth)
    {
        double[] result = new double[Rows * Columns];
        for (int i = 0; i < Rows; i++)
        {
            for (int j = 0; j < Columns; j++)
            {
                for (int k = 0; k < depth; k++)
                    result[(i * Columns) + j] += a[(i * depth) + k] * b[(k * Columns) + j];
            }
        }

        return result;
    }

    private static double Round(DType type, double value) => type == DType.Float16
        ? (double)(Half)value : (float)(BFloat16)(float)value;

    private static ushort[] Bits(DType type, double[] values) => [.. values.Select(v =>
        type == DType.Float16 ? BitConverter.HalfToUInt16Bits((Half)v)
        : (ushort)(BitConverter.SingleToUInt32Bits((float)v) >> 16))];

    private static T[] Transpose<T>(T[] matrix, int rows, int columns) => [.. Enumerable
        .Range(0, matrix.Length).Select(i => matrix[(i % rows * columns) + (i / rows)])];

    private static (float[] C, float[] D) Run(
        DType type, double[] a, double[] b, bool aTransposed, bool bTransposed, bool forgetsWait)
    {
        CudaQueue queue = EmulatedDevice.Require().Queue;
        CudaStream stream = queue.Stream;
        CudaKernel kernel = queue.Kernel(
            "tiles", type == DType.Float16 ? "tile_product_f16" : "tile_product_bf16");
        ushort[] aBits = Bits(type, aTransposed ? Transpose(a, Rows, Depth) : a);
        ushort[] bBits = Bits(type, bTransposed ? b : Transpose(b, Depth, Columns));
        float[] c = new float[Rows * Columns], d = new float[Rows * Columns];
        using CudaScratch aDevice = queue.Rent(aBits.Length * 2), bDevice =
            queue.Rent(bBits.Length * 2), cDevice = queue.Rent(c.Length * 4), dDevice =
            queue.Rent(d.Length * 4);
        fixed (ushort* aHost = aBits, bHost = bBits)
        fixed (float* cHost = c, dHost = d)
        {
            nint handle = stream.Handle;
            Check(DriverApi.cuMemcpyHtoDAsync_v2(
                aDevice.Address, (nint)aHost, (nuint)aBits.Length * 2, handle));
            Check(DriverApi.cuMemcpyHtoDAsync_v2(
                bDevice.Address, (nint)bHost, (nuint)bBits.Length * 2, handle));
            kernel.Launch(new(1, 32, 3072), new Argument
            {
                A = aDevice.Address,
                B = bDevice.Address,
                C = cDevice.Address,
                D = dDevice.Address,
                ATransposed = aTransposed ? 1 : 0,
                BTransposed = bTransposed ? 1 : 0,
                ForgetsWait = forgetsWait ? 1 : 0,
            });
            Check(DriverApi.cuMemcpyDtoHAsync_v2(
                (nint)cHost, cDevice.Address, (nuint)c.Length * 4, handle));
            Check(DriverApi.cuMemcpyDtoHAsync_v2(
                (nint)dHost, dDevice.Address, (nuint)d.Length * 4, handle));
            stream.Synchronize();
        }

        return (c, d);

        void Check(int status) => CudaException.Check(status, stream.Device.Description);
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public nint A, B, C, D;
        public int ATransposed, BTransposed, ForgetsWait;
    }
}
