using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// With g = outputGradient ⊙ f′(preActivation): inputGradient = g·weight; weightGradient +=
/// gᵀ·input; biasGradient += column sums of g.
/// </summary>
/// <remarks>
/// Shapes: as in the forward kernel.
/// Work: g is written to scratch once, unless there is no activation; then two products, of which
/// the second packs both operands, and one pass for the bias.
/// Memory: g [Rows, OutputFeatures], and the products' packed operands.
/// Bytes: g written once and read three times; twice the forward operations: bound by arithmetic.
/// Numerics: binary32; parameter gradients are added to what their buffers hold.
/// Preconditions: a validated call on Float32 buffers.
/// Source: the chain rule.
/// </remarks>
internal sealed class LinearBackwardSimd : IKernel<LinearBackward>
{
    public bool Supports(in LinearBackward call, out string? reason) => SimdSupport.AllFloat32(
        out reason, ("input", call.Input), ("weight", call.Weight),
        ("preActivation", call.PreActivation),
        ("outputGradient", call.OutputGradient), ("inputGradient", call.InputGradient),
        ("weightGradient", call.WeightGradient), ("biasGradient", call.BiasGradient));

    public void Run(in LinearBackward call) => SimdDispatch.Run(new LinearBackwardAction(call));
}

/// <summary>The backward call at one vector width.</summary>
internal readonly unsafe struct LinearBackwardAction(LinearBackward call) : ISimdAction
{
    public void Run<T>() where T : struct, ISimdFloat<T>
    {
        float* gradient = call.OutputGradient.Pointer<float>();
        if (call.Activation == Activation.None)
        {
            Products<T>(gradient);
            return;
        }

        long length = (long)call.Rows * call.OutputFeatures;
        using HostBlock scratch = HostMemory.Rent(length * sizeof(float));
        float* passed = scratch.Pointer<float>();
        float* preActivation = call.PreActivation.Pointer<float>();
        switch (call.Activation)
        {
            case Activation.Relu:
                ActivationGradient.Run<T, ReluActivation>(gradient, preActivation, length, passed);
                break;
            case Activation.Gelu:
                ActivationGradient.Run<T, GeluActivation>(gradient, preActivation, length, passed);
                break;
            case Activation.Tanh:
                ActivationGradient.Run<T, TanhActivation>(gradient, preActivation, length, passed);
                break;
            default:
                ActivationGradient.Run<T, GeluTanhActivation>(
                    gradient, preActivation, length, passed);
                break;
        }

        Products<T>(passed);
    }

    private void Products<T>(float* gradient) where T : struct, ISimdFloat<T>
    {
        (int rows, int inputs, int outputs) = (call.Rows, call.InputFeatures, call.OutputFeatures);
        if (call.InputGradient.IsPresent)
        {
            LinearProducts.InputGradient<T, NoEpilogue>(
                gradient, call.Weight.Pointer<float>(), rows, inputs, outputs,
                call.InputGradient.Pointer<float>(), default);
        }

        if (call.WeightGradient.IsPresent)
        {
            LinearProducts.WeightGradient<T>(
                gradient, call.Input.Pointer<float>(), rows, inputs, outputs,
                call.WeightGradient.Pointer<float>());
        }

        if (call.BiasGradient.IsPresent)
        {
            ColumnSums.Add<T>(gradient, rows, outputs, call.BiasGradient.Pointer<float>());
        }
    }
}

/// <summary>The products of a linear layer's backward pass.</summary>
internal static unsafe class LinearProducts
{
    /// <summary>inputGradient [rows, inputs] = gradient [rows, outputs] · weight [outputs, inputs].
    /// </summary>
    public static void InputGradient<T, TEpilogue>(
        float* gradient, float* weight, int rows, int inputs, int outputs, float* inputGradient,
        in TEpilogue epilogue)
        where T : struct, ISimdFloat<T>
        where TEpilogue : struct, IEpilogue => MatMul.Run<T, TEpilogue>(
            new MatMulProblem
            {
                A = new(gradient, outputs),
                B = new(weight, inputs),
                C = (nint)inputGradient,
                CStride = inputs,
                Rows = rows,
                Columns = inputs,
                Depth = outputs,
            },
            in epilogue);

    /// <summary>weightGradient [outputs, inputs] += gradientᵀ · input.</summary>
    public static void WeightGradient<T>(
        float* gradient, float* input, int rows, int inputs, int outputs, float* weightGradient)
        where T : struct, ISimdFloat<T>
    {
        if (rows == 0) return;
        MatMul.Run<T, NoEpilogue>(
            new MatMulProblem
            {
                A = new(gradient, outputs, transposed: true),
                B = new(input, inputs),
                C = (nint)weightGradient,
                CStride = inputs,
                Rows = outputs,
                Columns = inputs,
                Depth = rows,
                Accumulate = true,
            },
            default);
    }
}

/// <summary>passed[i] = gradient[i]·f′(preActivation[i]).</summary>
/// <remarks>
/// Shapes: gradient, preActivation and passed [length], contiguous.
/// Work: a batch is 8,192 elements.
/// Bytes: 12 an element; bound by memory but for derivatives that take an exponential.
/// Numerics: binary32.
/// Preconditions: passed is the gradient, the pre-activation or apart from both.
/// Source: the chain rule.
/// </remarks>
internal static unsafe class ActivationGradient
{
    private const int BatchLength = 8192;

    /// <summary>Computes all elements.</summary>
    public static void Run<T, TActivation>(
        float* gradient, float* preActivation, long length, float* passed)
        where T : struct, ISimdFloat<T>
        where TActivation : struct, IActivation
    {
        Work<T, TActivation> work = new(gradient, preActivation, length, passed);
        CpuParallel.For(checked((int)((length + BatchLength - 1) / BatchLength)), ref work);
    }

    private readonly struct Work<T, TActivation>(
        float* gradient, float* preActivation, long length, float* passed) : IBatchWork
        where T : struct, ISimdFloat<T>
        where TActivation : struct, IActivation
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int batch)
        {
            nint start = (nint)batch * BatchLength;
            nint end = (nint)Math.Min(length, start + BatchLength);
            for (nint i = start; i < end; i += T.Width)
            {
                T x = SimdTail.Load<T>(preActivation + i, end - i);
                T g = SimdTail.Load<T>(gradient + i, end - i);
                SimdTail.Store(g * TActivation.Derivative(x, out _), passed + i, end - i);
            }
        }
    }
}
