using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Ops;

namespace Transformer.Cuda.Activations;

/// <summary>Launches native/Activation/activation.cu.</summary>
internal sealed class ActivationCuda(CudaQueue queue)
    : IKernel<ActivationForward>, IKernel<ActivationBackward>
{
    private readonly TypedKernel forward = new(queue, "activation", "activation_forward_{0}");
    private readonly TypedKernel backward = new(queue, "activation", "activation_backward_{0}");

    public bool Supports(in ActivationForward call, out string? reason) => CudaTypes.Same(
        out reason, ("input", call.Input), ("output", call.Output));

    public bool Supports(in ActivationBackward call, out string? reason) => CudaTypes.Same(
        out reason, ("input", call.Input), ("outputGradient", call.OutputGradient),
        ("inputGradient", call.InputGradient));

    public void Run(in ActivationForward call)
    {
        ulong chunks = CudaElements.Chunks(call.Length, call.Input, call.Output);
        forward[call.Input.DType].Launch(CudaElements.Shape(call.Length, chunks), new Argument
        {
            Input = call.Input.Address,
            Result = call.Output.Address,
            Length = call.Length,
            Chunks = chunks,
            Activation = (int)call.Activation,
        });
    }

    public void Run(in ActivationBackward call)
    {
        ulong chunks = CudaElements.Chunks(
            call.Length, call.Input, call.OutputGradient, call.InputGradient);
        backward[call.Input.DType].Launch(CudaElements.Shape(call.Length, chunks), new Argument
        {
            Input = call.Input.Address,
            OutputGradient = call.OutputGradient.Address,
            Result = call.InputGradient.Address,
            Length = call.Length,
            Chunks = chunks,
            Activation = (int)call.Activation,
        });
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public nint Input, OutputGradient, Result;
        public long Length;
        public ulong Chunks;
        public int Activation;
    }
}
