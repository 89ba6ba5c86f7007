using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>output[i] = u(i) &lt; p ? 0 : input[i]·1/(1 − p), u(i) uniform from Philox.</summary>
/// <remarks>
/// Shapes: input, output [Length].
/// Work: a batch is 4,096 elements; u is drawn 256 elements at a time.
/// Memory: 256 floats of u on the stack; as many of the elements where these take 16 bits.
/// Bytes: 8 bytes an element, or 4, for about 40 integer operations: bound by arithmetic.
/// Numerics: u(i) depends on seed, step, stream and i alone; a dropped NaN becomes 0 by selection.
/// Preconditions: a validated call, Float32, Float16 or BFloat16 each; output may be the input
/// itself.
/// Source: Srivastava et al. 2014; Salmon et al. 2011.
/// </remarks>
internal sealed class DropoutForwardSimd : IKernel<DropoutForward>
{
    public bool Supports(in DropoutForward call, out string? reason) =>
        SimdSupport.AllStorage(out reason, ("input", call.Input), ("output", call.Output));

    public void Run(in DropoutForward call) => DropoutSimd.Run(
        call.Input, call.Output, call.RandomState, call.Length, call.Probability, call.Stream);
}

/// <summary>The same function on gradients: the mask is drawn again.</summary>
internal sealed class DropoutBackwardSimd : IKernel<DropoutBackward>
{
    public bool Supports(in DropoutBackward call, out string? reason) =>
        SimdSupport.AllStorage(out reason, ("outputGradient", call.OutputGradient),
            ("inputGradient", call.InputGradient));

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
        long* state = randomState.Pointer<long>();
        SimdDispatch.Run(new DropoutAction
        {
            Input = input,
            Output = output,
            Length = length,
            Probability = probability,
            Seed = (ulong)state[0],
            Step = (uint)state[1],
            Stream = stream,
        });
    }

    private struct DropoutAction : ISimdAction
    {
        public BufferView Input, Output;
        public long Length;
        public float Probability;
        public ulong Seed;
        public uint Step, Stream;

        public readonly void Run<T>() where T : struct, ISimdFloat<T>
        {
            Work<T> work = new(this);
            CpuParallel.For(checked((int)((Length + BatchLength - 1) / BatchLength)), ref work);
        }
    }

    private readonly struct Work<T>(DropoutAction call) : IBatchWork
        where T : struct, ISimdFloat<T>
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int batch)
        {
            float* uniform = stackalloc float[DrawLength];
            float* copy = stackalloc float[DrawLength];
            long end = Math.Min(call.Length, (batch + 1L) * BatchLength);
            for (long start = (long)batch * BatchLength; start < end; start += DrawLength)
            {
                int count = (int)Math.Min(DrawLength, end - start);
                PhiloxVector.FillUnit(
                    call.Seed, call.Stream, call.Step, (ulong)start / 4, (count + 3) / 4, uniform);
                Apply(
                    call.Input.Slice(start, count), uniform, copy,
                    call.Output.Slice(start, count));
            }
        }

        private void Apply(BufferView input, float* uniform, float* copy, BufferView output)
        {
            int count = (int)input.Length;
            float* x = (float*)input.Address, y = (float*)output.Address;
            if (input.DType != DType.Float32)
            {
                x = copy;
                FloatStorage.Widen(input.DType, (void*)input.Address, x, count);
            }

            if (output.DType != DType.Float32) y = copy;
            Apply(x, uniform, y, count);
            if (y == copy) FloatStorage.Narrow(output.DType, y, (void*)output.Address, count);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Apply(float* x, float* uniform, float* y, int count)
        {
            float probability = call.Probability;
            float keptScale = 1f / (1f - probability);
            T p = T.Broadcast(probability), scale = T.Broadcast(keptScale);
            int i = 0;
            for (; i + T.Width <= count; i += T.Width)
            {
                T kept = T.Load(x + i) * scale;
                T.Store(T.SelectLess(T.Load(uniform + i), p, T.Zero, kept), y + i);
            }

            for (; i < count; i++) y[i] = uniform[i] < probability ? 0 : x[i] * keptScale;
        }
    }
}
