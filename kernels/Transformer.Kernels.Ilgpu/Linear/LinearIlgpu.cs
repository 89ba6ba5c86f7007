using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Kernels.Ilgpu.Linear;

/// <summary>One product, with bias and activation in its epilogue.</summary>
internal sealed class LinearForwardIlgpu(KernelQueue queue) : IKernel<LinearForward>
{
    private readonly ProductLauncher products = new(queue);

    public bool Supports(in LinearForward call, out string? reason) => TensorTypes.Same(
        out reason, ("input", call.Input), ("weight", call.Weight), ("bias", call.Bias),
        ("output", call.Output), ("preActivation", call.PreActivation));

    public void Run(in LinearForward call)
    {
        if (call.Rows == 0) return;
        products.Forward(new()
        {
            A = call.Input,
            B = call.Weight,
            Bias = call.Bias,
            Output = call.Output,
            Second = call.PreActivation,
            M = call.Rows,
            N = call.OutputFeatures,
            K = call.InputFeatures,
            Activation = call.Activation,
        });
    }
}

/// <summary>The gradient behind the activation with its column sums, then a product each for input
/// and weight.</summary>
/// <remarks>Behind an activation the gradient passes through device memory in the tensors' own
/// type.</remarks>
internal sealed class LinearBackwardIlgpu(KernelQueue queue) : IKernel<LinearBackward>
{
    private readonly ProductLauncher products = new(queue);
    private readonly LinearGradients gradients = new(queue);

    public bool Supports(in LinearBackward call, out string? reason) => TensorTypes.Same(
        out reason, ("input", call.Input), ("weight", call.Weight),
        ("preActivation", call.PreActivation), ("outputGradient", call.OutputGradient),
        ("inputGradient", call.InputGradient), ("weightGradient", call.WeightGradient),
        ("biasGradient", call.BiasGradient));

    public void Run(in LinearBackward call)
    {
        if (call.Rows == 0) return;
        bool activated = call.Activation != Activation.None &&
            (call.InputGradient.IsPresent || call.WeightGradient.IsPresent);
        long count = (long)call.Rows * call.OutputFeatures;
        DType type = call.OutputGradient.DType;
        using Scratch scratch = activated ? queue.Rent(count * type.Size()) : default;
        BufferView product = !activated ? default : new(scratch.Address, count, type);
        gradients.Run(call.OutputGradient,
            call.Activation == Activation.None ? default : call.PreActivation, call.Activation,
            call.Rows, call.OutputFeatures, product, call.BiasGradient);
        BufferView gradient = activated ? product : call.OutputGradient;
        if (call.InputGradient.IsPresent)
        {
            products.InputGradient(new()
            {
                A = gradient,
                B = call.Weight,
                Output = call.InputGradient,
                M = call.Rows,
                N = call.InputFeatures,
                K = call.OutputFeatures,
            });
        }

        if (call.WeightGradient.IsPresent)
        {
            products.WeightGradient(new()
            {
                A = gradient,
                B = call.Input,
                Output = call.WeightGradient,
                M = call.OutputFeatures,
                N = call.InputFeatures,
                K = call.Rows,
            });
        }
    }
}
