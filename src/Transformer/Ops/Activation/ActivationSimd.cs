using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>output[i] = f(input[i]); inputGradient[i] = outputGradient[i]·f′(input[i]).</summary>
/// <remarks>
/// Shapes: [Length] each; the result may lie over any operand.
/// Work: a batch is 4,096 elements; one vector at a time.
/// Bytes: 8 bytes an element forward, 12 backward; ReLU is bound by memory, GELU by arithmetic.
/// Numerics: the vector functions of <see cref="SimdMath"/>, a few units in the last place.
/// Preconditions: a validated call; buffers of 16 bits come widened from RowKernel.
/// Source: Hendrycks, Gimpel 2016 (GELU).
/// </remarks>
internal sealed class ActivationForwardSimd
    : RowKernel<ActivationForward, ActivationForwardElements>
{
    protected override void RunSingle(in ActivationForward call) =>
        SimdDispatch.Run(new ActivationForwardAction(call));
}

/// <summary>The gradient of the same functions.</summary>
internal sealed class ActivationBackwardSimd
    : RowKernel<ActivationBackward, ActivationBackwardElements>
{
    protected override void RunSingle(in ActivationBackward call) =>
        SimdDispatch.Run(new ActivationBackwardAction(call));
}

/// <summary>The forward call at one vector width.</summary>
internal readonly unsafe struct ActivationForwardAction(ActivationForward call) : ISimdAction
{
    internal const int BatchLength = 4096;

    public void Run<T>() where T : struct, ISimdFloat<T>
    {
        switch (call.Activation)
        {
            case Activation.Relu: Run<T, ReluActivation>(); break;
            case Activation.Gelu: Run<T, GeluActivation>(); break;
            case Activation.GeluTanh: Run<T, GeluTanhActivation>(); break;
            case Activation.Tanh: Run<T, TanhActivation>(); break;
            case Activation.Silu: Run<T, SiluActivation>(); break;
            default: Run<T, IdentityActivation>(); break;
        }
    }

    private void Run<T, TActivation>()
        where T : struct, ISimdFloat<T>
        where TActivation : struct, IActivation
    {
        Work<T, TActivation> work = new(
            call.Input.Pointer<float>(), call.Length, call.Output.Pointer<float>());
        CpuParallel.For(checked((int)((call.Length + BatchLength - 1) / BatchLength)), ref work);
    }

    private readonly struct Work<T, TActivation>(float* input, long length, float* output)
        : IBatchWork
        where T : struct, ISimdFloat<T>
        where TActivation : struct, IActivation
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int batch)
        {
            nint i = (nint)batch * BatchLength;
            nint end = (nint)Math.Min(length, i + BatchLength);
            for (; i < end; i += T.Width)
            {
                T x = SimdTail.Load<T>(input + i, end - i);
                SimdTail.Store(TActivation.Apply(x), output + i, end - i);
            }
        }
    }
}

/// <summary>The backward call at one vector width.</summary>
internal readonly unsafe struct ActivationBackwardAction(ActivationBackward call) : ISimdAction
{
    public void Run<T>() where T : struct, ISimdFloat<T>
    {
        switch (call.Activation)
        {
            case Activation.Relu: Run<T, ReluActivation>(); break;
            case Activation.Gelu: Run<T, GeluActivation>(); break;
            case Activation.GeluTanh: Run<T, GeluTanhActivation>(); break;
            case Activation.Tanh: Run<T, TanhActivation>(); break;
            case Activation.Silu: Run<T, SiluActivation>(); break;
            default: Run<T, IdentityActivation>(); break;
        }
    }

    private void Run<T, TActivation>()
        where T : struct, ISimdFloat<T> where TActivation : struct, IActivation =>
        ActivationGradient.Run<T, TActivation>(
            call.OutputGradient, call.Input, call.InputGradient.Pointer<float>());
}

/// <summary>Rows of <see cref="ActivationForward"/>.</summary>
internal readonly struct ActivationForwardElements : IRowCall<ActivationForward>
{
    public static int MostRows => ActivationForwardAction.BatchLength;

    public static long Rows(in ActivationForward call) => call.Length;

    public static ActivationForward Part(
        in ActivationForward call, ref RowStage stage) => call with
    {
        Length = stage.Count,
        Input = stage.Read("input", call.Input),
        Output = stage.Write("output", call.Output),
    };
}

/// <summary>Rows of <see cref="ActivationBackward"/>.</summary>
internal readonly struct ActivationBackwardElements : IRowCall<ActivationBackward>
{
    public static int MostRows => ActivationForwardAction.BatchLength;

    public static long Rows(in ActivationBackward call) => call.Length;

    public static ActivationBackward Part(
        in ActivationBackward call, ref RowStage stage) => call with
    {
        Length = stage.Count,
        Input = stage.Read("input", call.Input),
        OutputGradient = stage.Read("outputGradient", call.OutputGradient),
        InputGradient = stage.Write("inputGradient", call.InputGradient),
    };
}
