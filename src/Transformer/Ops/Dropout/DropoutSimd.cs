using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>output[i] = u(i) &lt; p ? 0 : input[i]·1/(1 − p), u(i) uniform from Philox.</summary>
/// <remarks>
/// Shapes: input, output [Length].
/// Work: a batch is 4,096 elements; u is drawn 256 elements at a time into the stack.
/// Traffic: 8 bytes an element for about 40 integer operations: bound by arithmetic.
/// Numerics: the select makes NaN in a dropped element 0.
/// Source: Srivastava et al. 2014; Salmon et al. 2011.
/// </remarks>
internal sealed class DropoutForwardSimd : IKernel<DropoutForward>
{
    public bool Supports(in DropoutForward call, out string? reason) =>
        SimdSupport.AllFloat32(out reason, call.Input, call.Output);

    public void Run(in DropoutForward call) => DropoutSimd.Run(
        call.Input, call.Output, call.RandomState, call.Length, call.Probability, call.Stream);
}

/// <summary>The same function on gradients: the mask is drawn again.</summary>
internal sealed class DropoutBackwardSimd : IKernel<DropoutBackward>
{
    public bool Supports(in DropoutBackward call, out string? reason) =>
        SimdSupport.AllFloat32(out reason, call.OutputGradient, call.InputGradient);

    public void Run(in DropoutBackward call) => DropoutSimd.Run(
        call.OutputGradient, call.InputGradient, call.RandomState, call.Length, call.Probability,
        call.Stream);
}

internal static unsafe class DropoutSimd
{
    private const int BatchLength = 4096;
    private const int DrawLength = 256;

    public static void Run(
        BufferView input, BufferView output, BufferView randomState, long length,
        float probability, uint stream)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Run<Simd512>(input, output, randomState, length, probability, stream);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            Run<Simd256>(input, output, randomState, length, probability, stream);
        }
        else
        {
            Run<Simd128>(input, output, randomState, length, probability, stream);
        }
    }

    internal static void Run<T>(
        BufferView input, BufferView output, BufferView randomState, long length,
        float probability, uint stream)
        where T : struct, ISimdFloat<T>
    {
        long* state = randomState.Pointer<long>();
        Work<T> work = new()
        {
            Input = input.Pointer<float>(),
            Output = output.Pointer<float>(),
            Length = length,
            Probability = probability,
            Seed = (ulong)state[0],
            Step = (uint)state[1],
            Stream = stream,
        };
        CpuParallel.For(checked((int)((length + BatchLength - 1) / BatchLength)), ref work);
    }

    private struct Work<T> : IBatchWork where T : struct, ISimdFloat<T>
    {
        public float* Input, Output;
        public long Length;
        public float Probability;
        public ulong Seed;
        public uint Step, Stream;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public readonly void Run(int batch)
        {
            float* uniform = stackalloc float[DrawLength];
            long end = Math.Min(Length, (batch + 1L) * BatchLength);
            for (long start = (long)batch * BatchLength; start < end; start += DrawLength)
            {
                int count = (int)Math.Min(DrawLength, end - start);
                PhiloxVector.FillUnit(
                    Seed, Stream, Step, (ulong)start / 4, (count + 3) / 4, uniform);
                Apply(Input + start, uniform, Output + start, count);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Apply(float* x, float* uniform, float* y, int count)
        {
            float keptScale = 1f / (1f - Probability);
            T p = T.Broadcast(Probability), scale = T.Broadcast(keptScale);
            int i = 0;
            for (; i + T.Width <= count; i += T.Width)
            {
                T kept = T.Load(x + i) * scale;
                T.Store(T.SelectLess(T.Load(uniform + i), p, T.Zero, kept), y + i);
            }

            for (; i < count; i++) y[i] = uniform[i] < Probability ? 0 : x[i] * keptScale;
        }
    }
}
