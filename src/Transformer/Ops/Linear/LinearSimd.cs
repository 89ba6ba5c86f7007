using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>output = f(input·weightᵀ + bias) in one pass over the output.</summary>
/// <remarks>
/// Shapes: input [Rows, InputFeatures], weight [OutputFeatures, InputFeatures], output and
/// preActivation [Rows, OutputFeatures]; contiguous.
/// Work: the product is <see cref="MatMul"/>; bias, pre-activation and activation are applied to a
/// tile of sums while it lies in the first-level cache.
/// Bytes: the operands once, plus the packed weight written and read; few rows read the weight in
/// place instead. 2·Rows·InputFeatures·OutputFeatures operations: bound by arithmetic from some
/// tens of rows on, by the weight below.
/// Numerics: binary32; pre-activation and output come from the same sum.
/// Preconditions: a validated call, Float32, Float16 or BFloat16 each.
/// </remarks>
internal sealed class LinearForwardSimd : IKernel<LinearForward>
{
    public bool Supports(in LinearForward call, out string? reason) => SimdSupport.AllStorage(
        out reason, ("input", call.Input), ("weight", call.Weight), ("bias", call.Bias),
        ("output", call.Output), ("preActivation", call.PreActivation));

    public void Run(in LinearForward call) => SimdDispatch.Run(new LinearForwardAction(call));
}

/// <summary>The forward call at one vector width.</summary>
internal readonly unsafe struct LinearForwardAction(LinearForward call) : ISimdAction
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
        where T : struct, ISimdFloat<T>
        where TActivation : struct, IActivation
    {
        using HostBlock copy =
            HostMemory.Rent(FloatStorage.CopyFloats(call.Bias) * sizeof(float));
        BiasActivationEpilogue<TActivation> epilogue = new(
            FloatStorage.Single(call.Bias, copy.Pointer<float>()),
            new(call.PreActivation, call.OutputFeatures));
        MatMul.Run<T, BiasActivationEpilogue<TActivation>>(
            new MatMulProblem
            {
                A = new(call.Input, call.InputFeatures),
                B = new(call.Weight, call.InputFeatures, transposed: true),
                C = call.Output.Address,
                CType = call.Output.DType,
                CStride = call.OutputFeatures,
                Rows = call.Rows,
                Columns = call.OutputFeatures,
                Depth = call.InputFeatures,
            },
            in epilogue);
    }
}
