using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Kernels.Ilgpu.Linear;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Kernels.Ilgpu.GeluFeedForward;

/// <summary>Two products, rows in pieces whose hidden values stay in the device's L2.</summary>
/// <remarks>f(h) passes between the products in the tensors' own type.</remarks>
/// <param name="queue">Where the kernels are launched.</param>
/// <param name="hiddenBytes">Of a piece's hidden values.</param>
/// <param name="leastRows">Of a piece whatever its bytes: tiles enough for a large device. Pieces
/// are multiples of it.</param>
internal sealed class GeluFeedForwardForwardIlgpu(
    KernelQueue queue, long hiddenBytes = 16 << 20, int leastRows = 1024)
    : IKernel<GeluFeedForwardForward>
{
    private readonly ProductLauncher products = new(queue);

    public bool Supports(in GeluFeedForwardForward call, out string? reason) => TensorTypes.Same(
        out reason, ("input", call.Input), ("weight1", call.Weight1), ("bias1", call.Bias1),
        ("weight2", call.Weight2), ("bias2", call.Bias2), ("output", call.Output),
        ("preActivation", call.PreActivation));

    public void Run(in GeluFeedForwardForward call)
    {
        if (call.Rows == 0) return;
        DType type = call.Output.DType;
        long fitting = hiddenBytes / ((long)call.Hidden * type.Size()) / leastRows * leastRows;
        int piece = (int)Math.Min(call.Rows, Math.Max(leastRows, fitting));
        using Scratch scratch = queue.Rent((long)piece * call.Hidden * type.Size());
        for (int start = 0; start < call.Rows; start += piece)
        {
            int rows = Math.Min(piece, call.Rows - start);
            BufferView activated = new(scratch.Address, (long)rows * call.Hidden, type);
            products.Forward(new()
            {
                A = Rows(call.Input, start, rows, call.Width),
                B = call.Weight1,
                Bias = call.Bias1,
                Output = activated,
                Second = Rows(call.PreActivation, start, rows, call.Hidden),
                M = rows,
                N = call.Hidden,
                K = call.Width,
                Activation = call.Activation,
            });
            products.Forward(new()
            {
                A = activated,
                B = call.Weight2,
                Bias = call.Bias2,
                Output = Rows(call.Output, start, rows, call.OutputWidth),
                M = rows,
                N = call.OutputWidth,
                K = call.Hidden,
            });
        }
    }

    private static BufferView Rows(BufferView view, int start, int rows, int width) =>
        view.IsAbsent ? default : view.Slice((long)start * width, (long)rows * width);
}

/// <summary>Four products; the first leaves f(h) and its gradient for the other three.</summary>
/// <remarks>Both pass through device memory in the tensors' own type.</remarks>
internal sealed class GeluFeedForwardBackwardIlgpu(KernelQueue queue)
    : IKernel<GeluFeedForwardBackward>
{
    private readonly ProductLauncher products = new(queue);
    private readonly LinearGradients gradients = new(queue);

    public bool Supports(in GeluFeedForwardBackward call, out string? reason) => TensorTypes.Same(
        out reason, ("input", call.Input), ("weight1", call.Weight1), ("weight2", call.Weight2),
        ("preActivation", call.PreActivation), ("outputGradient", call.OutputGradient),
        ("inputGradient", call.InputGradient), ("weight1Gradient", call.Weight1Gradient),
        ("bias1Gradient", call.Bias1Gradient), ("weight2Gradient", call.Weight2Gradient),
        ("bias2Gradient", call.Bias2Gradient));

    public void Run(in GeluFeedForwardBackward call)
    {
        if (call.Rows == 0) return;
        DType type = call.OutputGradient.DType;
        long count = (long)call.Rows * call.Hidden;
        using Scratch activatedScratch = queue.Rent(count * type.Size());
        using Scratch hiddenScratch = queue.Rent(count * type.Size());
        BufferView activated = new(activatedScratch.Address, count, type);
        BufferView hidden = new(hiddenScratch.Address, count, type);
        products.InputGradient(new()
        {
            A = call.OutputGradient,
            B = call.Weight2,
            Kept = call.PreActivation,
            Output = hidden,
            Second = activated,
            M = call.Rows,
            N = call.Hidden,
            K = call.OutputWidth,
            Activation = call.Activation,
        });
        AddParameters(call.OutputGradient, activated, call.Rows, call.OutputWidth, call.Hidden,
            call.Weight2Gradient, call.Bias2Gradient);
        AddParameters(hidden, call.Input, call.Rows, call.Hidden, call.Width,
            call.Weight1Gradient, call.Bias1Gradient);
        if (call.InputGradient.IsAbsent) return;
        products.InputGradient(new()
        {
            A = hidden,
            B = call.Weight1,
            Output = call.InputGradient,
            M = call.Rows,
            N = call.Width,
            K = call.Hidden,
        });
    }

    private void AddParameters(BufferView gradient, BufferView input, int rows, int outputs,
        int inputs, BufferView weightGradient, BufferView biasGradient)
    {
        products.WeightGradient(new()
        {
            A = gradient,
            B = input,
            Output = weightGradient,
            M = outputs,
            N = inputs,
            K = rows,
        });
        gradients.Run(
            gradient, default, Activation.None, rows, outputs, default, biasGradient);
    }
}
