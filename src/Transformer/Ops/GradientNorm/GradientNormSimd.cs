using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>norm = √Σ g²; clipScale = min(1, MaxNorm / (norm + 1e-6)).</summary>
/// <remarks>
/// Shapes: gradient [Length]; norm, clipScale [1].
/// Work: a batch is 16,384 elements and gives one partial sum; partial sums are added in order.
/// Registers: four accumulators of 4 doubles. The vectors are 256 bits wide on every machine, so
/// the order of additions, and with it the result, is the same everywhere.
/// Memory: 2,048 floats of copies on the stack where the gradient takes 16 bits.
/// Bytes: 4 bytes an element, or 2, for one widening and one multiply-add: bound by memory.
/// Numerics: squares and sums in double: no overflow below 1e154.
/// Preconditions: a validated call, Float32, Float16 or BFloat16 each.
/// Source: Pascanu, Mikolov, Bengio 2013.
/// </remarks>
internal sealed unsafe class GradientNormSimd : IKernel<GradientNormForward>
{
    private const int BatchLength = 16384;
    private const int PieceLength = 2048;

    public bool Supports(in GradientNormForward call, out string? reason) =>
        SimdSupport.AllStorage(out reason, ("gradient", call.Gradient), ("norm", call.Norm),
            ("clipScale", call.ClipScale));

    public void Run(in GradientNormForward call)
    {
        int batches = checked((int)((call.Length + BatchLength - 1) / BatchLength));
        using HostBlock scratch = HostMemory.Rent((long)batches * sizeof(double));
        Work work = new()
        {
            Gradient = call.Gradient,
            Partials = scratch.Pointer<double>(),
            Length = call.Length,
        };
        CpuParallel.For(batches, ref work);
        double total = 0;
        for (int batch = 0; batch < batches; batch++) total += work.Partials[batch];
        double norm = Math.Sqrt(total);
        FloatStorage.Set(call.Norm, 0, (float)norm);
        FloatStorage.Set(call.ClipScale, 0,
            call.MaxNorm == 0 ? 1 : (float)Math.Min(1, call.MaxNorm / (norm + 1e-6)));
    }

    private struct Work : IBatchWork
    {
        public BufferView Gradient;
        public double* Partials;
        public long Length;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public readonly void Run(int batch)
        {
            float* copy = stackalloc float[PieceLength];
            long end = Math.Min(Length, (batch + 1L) * BatchLength);
            Vector256<double> s0 = default, s1 = default, s2 = default, s3 = default;
            double tail = 0;
            for (long start = (long)batch * BatchLength; start < end; start += PieceLength)
            {
                int count = (int)Math.Min(PieceLength, end - start);
                float* g = FloatStorage.Single(Gradient.Slice(start, count), copy);
                int i = 0;
                for (; i + 16 <= count; i += 16)
                {
                    (Vector256<double> a, Vector256<double> b) =
                        Vector256.Widen(Vector256.Load(g + i));
                    (Vector256<double> c, Vector256<double> d) =
                        Vector256.Widen(Vector256.Load(g + i + 8));
                    s0 += a * a;
                    s1 += b * b;
                    s2 += c * c;
                    s3 += d * d;
                }

                for (; i < count; i++) tail += (double)g[i] * g[i];
            }

            Partials[batch] = Vector256.Sum((s0 + s1) + (s2 + s3)) + tail;
        }
    }
}
