using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>
/// g = gradient·scale; m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²;
/// p ← p·(1 − λη) − η/(1−β₁ᵗ) · m / (√(v/(1−β₂ᵗ)) + ε).
/// </summary>
/// <remarks>
/// Shapes: parameter, gradient, moments [Length].
/// Work: a batch is 16,384 elements; one vector at a time, the last one cut.
/// Bytes: four streams read, three written, 28 bytes an element: bound by
/// memory.
/// Numerics: binary32; bias corrections are taken in double once a call.
/// Preconditions: a validated call on Float32 buffers.
/// Source: Loshchilov, Hutter 2019, algorithm 2.
/// </remarks>
internal sealed unsafe class AdamWSimd : IKernel<AdamWForward>
{
    private const int BatchLength = 16384;

    public bool Supports(in AdamWForward call, out string? reason) =>
        SimdSupport.AllFloat32(out reason, ("parameter", call.Parameter),
            ("gradient", call.Gradient), ("firstMoment", call.FirstMoment),
            ("secondMoment", call.SecondMoment), ("gradientScale", call.GradientScale));

    public void Run(in AdamWForward call) =>
        SimdDispatch.Run(new AdamWForwardAction(call));

    private readonly struct AdamWForwardAction(AdamWForward call) : ISimdAction
    {
        public void Run<T>() where T : struct, ISimdFloat<T>
        {
            Work<T> work = new(in call);
            CpuParallel.For(
                checked((int)((call.Length + BatchLength - 1) / BatchLength)), ref work);
        }
    }

    private readonly struct Work<T> : IBatchWork where T : struct, ISimdFloat<T>
    {
        private readonly float* parameter, gradient, first, second;
        private readonly long length;
        private readonly float scale, beta1, beta2, take1, take2;
        private readonly float stepSize, inverseCorrection2, epsilon, keep;

        public Work(in AdamWForward call)
        {
            parameter = call.Parameter.Pointer<float>();
            gradient = call.Gradient.Pointer<float>();
            first = call.FirstMoment.Pointer<float>();
            second = call.SecondMoment.Pointer<float>();
            length = call.Length;
            scale = call.GradientScale.IsPresent ? *call.GradientScale.Pointer<float>() : 1;
            beta1 = (float)call.Beta1;
            beta2 = (float)call.Beta2;
            take1 = (float)(1 - call.Beta1);
            take2 = (float)(1 - call.Beta2);
            stepSize = (float)(call.LearningRate / (1 - Math.Pow(call.Beta1, call.Step)));
            inverseCorrection2 = (float)(1 / (1 - Math.Pow(call.Beta2, call.Step)));
            epsilon = (float)call.Epsilon;
            keep = (float)(1 - (call.LearningRate * call.WeightDecay));
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int batch)
        {
            long start = (long)batch * BatchLength;
            int count = (int)Math.Min(BatchLength, length - start);
            int i = 0;
            for (; i + T.Width <= count; i += T.Width) Step(start + i, T.Width);
            if (i < count) Step(start + i, count - i);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Step(long at, int count)
        {
            bool whole = count == T.Width;
            T g = (whole ? T.Load(gradient + at) : T.LoadPartial(gradient + at, count)) *
                T.Broadcast(scale);
            T m = whole ? T.Load(first + at) : T.LoadPartial(first + at, count);
            T v = whole ? T.Load(second + at) : T.LoadPartial(second + at, count);
            T p = whole ? T.Load(parameter + at) : T.LoadPartial(parameter + at, count);
            m = T.MultiplyAdd(T.Broadcast(beta1), m, T.Broadcast(take1) * g);
            v = T.MultiplyAdd(T.Broadcast(beta2), v, T.Broadcast(take2) * g * g);
            T root = T.Sqrt(v * T.Broadcast(inverseCorrection2)) + T.Broadcast(epsilon);
            p = (p * T.Broadcast(keep)) - (T.Broadcast(stepSize) * m / root);
            if (whole)
            {
                T.Store(m, first + at);
                T.Store(v, second + at);
                T.Store(p, parameter + at);
            }
            else
            {
                T.StorePartial(m, first + at, count);
                T.StorePartial(v, second + at, count);
                T.StorePartial(p, parameter + at, count);
            }
        }
    }
}
