using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// With h = f(preActivation) and g = (outputGradient·weight2) ⊙ f′(preActivation): weight2Gradient
/// += outputGradientᵀ·h; weight1Gradient += gᵀ·input; inputGradient = g·weight1; bias gradients +=
/// column sums of outputGradient and g.
/// </summary>
/// <remarks>
/// Shapes: as in the forward kernel.
/// Work: four products; h and g come out of the first one's epilogue, where f and f′ share their
/// costly part.
/// Memory: h and g, [Rows, Hidden] each, besides the products' packed operands.
/// Bytes: h and g written once and read twice; 4·Rows·Hidden·(Width + OutputWidth) operations:
/// bound by arithmetic.
/// Numerics: binary32; parameter gradients are added to what their buffers hold.
/// Preconditions: a validated call, Float32, Float16 or BFloat16 each.
/// Source: the chain rule through both products.
/// </remarks>
internal sealed class GeluFeedForwardBackwardSimd : IKernel<GeluFeedForwardBackward>
{
    public bool Supports(in GeluFeedForwardBackward call, out string? reason) =>
        SimdSupport.AllStorage(out reason, ("input", call.Input), ("weight1", call.Weight1),
            ("weight2", call.Weight2), ("preActivation", call.PreActivation),
            ("outputGradient", call.OutputGradient), ("inputGradient", call.InputGradient),
            ("weight1Gradient", call.Weight1Gradient), ("bias1Gradient", call.Bias1Gradient),
            ("weight2Gradient", call.Weight2Gradient), ("bias2Gradient", call.Bias2Gradient));

    public void Run(in GeluFeedForwardBackward call) =>
        SimdDispatch.Run(new GeluFeedForwardBackwardAction(call));
}

/// <summary>The backward call at one vector width.</summary>
internal readonly unsafe struct GeluFeedForwardBackwardAction(GeluFeedForwardBackward call)
    : ISimdAction
{
    public void Run<T>() where T : struct, ISimdFloat<T>
    {
        if (call.Rows == 0) return;
        switch (call.Activation)
        {
            case Activation.Relu: Run<T, ReluActivation>(); break;
            case Activation.Gelu: Run<T, GeluActivation>(); break;
            case Activation.Tanh: Run<T, TanhActivation>(); break;
            case Activation.Silu: Run<T, SiluActivation>(); break;
            default: Run<T, GeluTanhActivation>(); break;
        }
    }

    private void Run<T, TActivation>()
        where T : struct, ISimdFloat<T>
        where TActivation : struct, IActivation
    {
        (int rows, int width, int hidden, int outputs) =
            (call.Rows, call.Width, call.Hidden, call.OutputWidth);
        BufferView outputGradient = call.OutputGradient;
        long length = (long)rows * hidden;
        using HostBlock scratch = HostMemory.Rent(2 * length * sizeof(float));
        BufferView gradient = BufferView.Of(scratch.Pointer<float>(), length);
        BufferView activated = BufferView.Of(scratch.Pointer<float>() + length, length);
        ActivationGradientEpilogue<TActivation> epilogue = new(
            new(call.PreActivation, hidden), activated.Pointer<float>(), hidden);
        LinearProducts.InputGradient<T, ActivationGradientEpilogue<TActivation>>(
            outputGradient, call.Weight2, rows, hidden, outputs, gradient,
            in epilogue);
        LinearProducts.WeightGradient<T>(
            outputGradient, activated, rows, hidden, outputs,
            call.Weight2Gradient);
        LinearProducts.WeightGradient<T>(
            gradient, call.Input, rows, width, hidden,
            call.Weight1Gradient);
        if (call.Bias1Gradient.IsPresent)
        {
            ColumnSums.Add<T>(gradient, rows, hidden, call.Bias1Gradient);
        }

        if (call.Bias2Gradient.IsPresent)
        {
            ColumnSums.Add<T>(outputGradient, rows, outputs, call.Bias2Gradient);
        }

        if (call.InputGradient.IsPresent)
        {
            LinearProducts.InputGradient<T, NoEpilogue>(
                gradient, call.Weight1, rows, width, hidden,
                call.InputGradient, default);
        }
    }
}
