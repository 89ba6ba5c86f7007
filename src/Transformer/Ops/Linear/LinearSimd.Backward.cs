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
/// Preconditions: a validated call, Float32, Float16 or BFloat16 each.
/// Source: the chain rule.
/// </remarks>
internal sealed class LinearBackwardSimd : IKernel<LinearBackward>
{
    public bool Supports(in LinearBackward call, out string? reason) => SimdSupport.AllStorage(
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
        if (call.Activation == Activation.None)
        {
            Products<T>(call.OutputGradient);
            return;
        }

        long length = (long)call.Rows * call.OutputFeatures;
        using HostBlock scratch = HostMemory.Rent(length * sizeof(float));
        float* passed = scratch.Pointer<float>();
        switch (call.Activation)
        {
            case Activation.Relu: Pass<T, ReluActivation>(passed); break;
            case Activation.Gelu: Pass<T, GeluActivation>(passed); break;
            case Activation.Tanh: Pass<T, TanhActivation>(passed); break;
            case Activation.Silu: Pass<T, SiluActivation>(passed); break;
            default: Pass<T, GeluTanhActivation>(passed); break;
        }

        Products<T>(BufferView.Of(passed, length));
    }

    private void Pass<T, TActivation>(float* passed)
        where T : struct, ISimdFloat<T> where TActivation : struct, IActivation =>
        ActivationGradient.Run<T, TActivation>(call.OutputGradient, call.PreActivation, passed);

    private void Products<T>(BufferView gradient) where T : struct, ISimdFloat<T>
    {
        (int rows, int inputs, int outputs) = (call.Rows, call.InputFeatures, call.OutputFeatures);
        if (call.InputGradient.IsPresent)
        {
            LinearProducts.InputGradient<T, NoEpilogue>(
                gradient, call.Weight, rows, inputs, outputs, call.InputGradient, default);
        }

        if (call.WeightGradient.IsPresent)
        {
            LinearProducts.WeightGradient<T>(
                gradient, call.Input, rows, inputs, outputs, call.WeightGradient);
        }

        if (call.BiasGradient.IsPresent)
            ColumnSums.Add<T>(gradient, rows, outputs, call.BiasGradient);
    }
}

/// <summary>The products of a linear layer's backward pass.</summary>
internal static unsafe class LinearProducts
{
    /// <summary>inputGradient [rows, inputs] = gradient [rows, outputs] · weight [outputs, inputs].
    /// </summary>
    public static void InputGradient<T, TEpilogue>(
        BufferView gradient, BufferView weight, int rows, int inputs, int outputs,
        BufferView inputGradient, in TEpilogue epilogue)
        where T : struct, ISimdFloat<T>
        where TEpilogue : struct, IEpilogue => MatMul.Run<T, TEpilogue>(
            new MatMulProblem
            {
                A = new(gradient, outputs),
                B = new(weight, inputs),
                C = inputGradient.Address,
                CType = inputGradient.DType,
                CStride = inputs,
                Rows = rows,
                Columns = inputs,
                Depth = outputs,
            },
            in epilogue);

    /// <summary>weightGradient [outputs, inputs] += gradientᵀ · input.</summary>
    public static void WeightGradient<T>(
        BufferView gradient, BufferView input, int rows, int inputs, int outputs,
        BufferView weightGradient)
        where T : struct, ISimdFloat<T>
    {
        if (rows == 0) return;
        MatMul.Run<T, NoEpilogue>(
            new MatMulProblem
            {
                A = new(gradient, outputs, transposed: true),
                B = new(input, inputs),
                C = weightGradient.Address,
                CType = weightGradient.DType,
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
/// Memory: 1,024 floats each on the stack for what is stored in 16 bits.
/// Bytes: 12 an element; bound by memory but for derivatives that take an exponential.
/// Numerics: binary32.
/// Preconditions: Float32, Float16 or BFloat16 each; passed is the gradient, the pre-activation or
/// apart from both.
/// Source: the chain rule.
/// </remarks>
internal static unsafe class ActivationGradient
{
    private const int BatchLength = 8192;
    private const int PieceLength = 1024;

    /// <summary>Computes all elements.</summary>
    public static void Run<T, TActivation>(
        BufferView gradient, BufferView preActivation, float* passed)
        where T : struct, ISimdFloat<T>
        where TActivation : struct, IActivation
    {
        Work<T, TActivation> work = new(gradient, preActivation, passed);
        long batches = (gradient.Length + BatchLength - 1) / BatchLength;
        CpuParallel.For(checked((int)batches), ref work);
    }

    private readonly struct Work<T, TActivation>(
        BufferView gradient, BufferView preActivation, float* passed) : IBatchWork
        where T : struct, ISimdFloat<T>
        where TActivation : struct, IActivation
    {
        [SkipLocalsInit]
        public void Run(int batch)
        {
            float* copies = stackalloc float[2 * PieceLength];
            long end = Math.Min(gradient.Length, (batch + 1L) * BatchLength);
            for (long start = (long)batch * BatchLength; start < end; start += PieceLength)
            {
                int count = (int)Math.Min(PieceLength, end - start);
                Piece(FloatStorage.Single(gradient.Slice(start, count), copies),
                    FloatStorage.Single(preActivation.Slice(start, count), copies + PieceLength),
                    count, passed + start);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Piece(float* gradients, float* inputs, int count, float* results)
        {
            for (int i = 0; i < count; i += T.Width)
            {
                T x = SimdTail.Load<T>(inputs + i, count - i);
                T g = SimdTail.Load<T>(gradients + i, count - i);
                SimdTail.Store(g * TActivation.Derivative(x, out _), results + i, count - i);
            }
        }
    }
}
