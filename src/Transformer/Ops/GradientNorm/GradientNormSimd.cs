using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>norm = √Σ g²; clipScale = min(1, MaxNorm / (norm + 1e-6)).</summary>
/// <remarks>
/// Shapes: gradient [Length]; norm, clipScale [1].
/// Work: a batch is 16,384 elements and gives one partial sum; partial sums are added in order.
/// Registers: four accumulators of 4 doubles. The vectors are 256 bits wide on every machine, so
/// the order of additions, and with it the result, is the same everywhere.
/// Bytes: 4 bytes an element for one widening and one multiply-add: bound by memory.
/// Numerics: squares and sums in double: no overflow below 1e154.
/// Preconditions: a validated call on Float32 buffers.
/// Source: Pascanu, Mikolov, Bengio 2013.
/// </remarks>
internal sealed unsafe class GradientNormSimd : IKernel<GradientNormForward>
{
    private const int BatchLength = 16384;

    public bool Supports(in GradientNormForward call, out string? reason) =>
        SimdSupport.AllFloat32(out reason, ("gradient", call.Gradient), ("norm", call.Norm),
            ("clipScale", call.ClipScale));

    public void Run(in GradientNormForward call)
    {
        int batches = checked((int)((call.Length + BatchLength - 1) / BatchLength));
        using HostBlock scratch = HostMemory.Rent((long)batches * sizeof(double));
        Work work = new()
        {
            Gradient = call.Gradient.Pointer<float>(),
            Partials = scratch.Pointer<double>(),
            Length = call.Length,
        };
        CpuParallel.For(batches, ref work);
        double total = 0;
        for (int batch = 0; batch < batches; batch++) total += work.Partials[batch];
        double norm = Math.Sqrt(total);
        *call.Norm.Pointer<float>() = (float)norm;
        *call.ClipScale.Pointer<float>() =
            call.MaxNorm == 0 ? 1 : (float)Math.Min(1, call.MaxNorm / (norm + 1e-6));
    }

    private struct Work : IBatchWork
    {
        public float* Gradient;
        public double* Partials;
        public long Length;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public readonly void Run(int batch)
        {
            long start = (long)batch * BatchLength;
            int count = (int)Math.Min(BatchLength, Length - start);
            float* g = Gradient + start;
            Vector256<double> s0 = default, s1 = default, s2 = default, s3 = default;
            int i = 0;
            for (; i + 16 <= count; i += 16)
            {
                (Vector256<double> a, Vector256<double> b) = Vector256.Widen(Vector256.Load(g + i));
                (Vector256<double> c, Vector256<double> d) =
                    Vector256.Widen(Vector256.Load(g + i + 8));
                s0 += a * a;
                s1 += b * b;
                s2 += c * c;
                s3 += d * d;
            }

            double tail = 0;
            for (; i < count; i++) tail += (double)g[i] * g[i];
            Partials[batch] = Vector256.Sum((s0 + s1) + (s2 + s3)) + tail;
        }
    }
}
