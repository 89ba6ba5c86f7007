using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cuda.Dropout;

/// <summary>Launches native/Dropout/dropout.cu.</summary>
internal sealed class DropoutCuda(CudaQueue queue)
    : IKernel<DropoutForward>, IKernel<DropoutBackward>
{
    private readonly TypedKernel kernel = new(queue, "dropout", "dropout_{0}");

    public bool Supports(in DropoutForward call, out string? reason) => CudaTypes.Same(
        out reason, ("input", call.Input), ("output", call.Output));

    public bool Supports(in DropoutBackward call, out string? reason) => CudaTypes.Same(
        out reason, ("outputGradient", call.OutputGradient),
        ("inputGradient", call.InputGradient));

    public void Run(in DropoutForward call) => Run(
        call.Input, call.Output, call.RandomState, call.Length, call.Probability, call.Stream);

    public void Run(in DropoutBackward call) => Run(
        call.OutputGradient, call.InputGradient, call.RandomState, call.Length,
        call.Probability, call.Stream);

    private void Run(
        BufferView input, BufferView output, BufferView randomState, long length,
        float probability, uint stream)
    {
        ulong chunks = CudaElements.Chunks(length, input, output);
        // Off 16 bytes a thread takes the four elements of a Philox block.
        long units = chunks == 0 ? (length + 3) / 4 : (long)chunks;
        kernel[input.DType].Launch(CudaElements.Shape(units), new Argument
        {
            Input = input.Address,
            Output = output.Address,
            State = randomState.Address,
            Length = length,
            Chunks = chunks,
            Probability = probability,
            Scale = 1f / (1f - probability),
            Stream = stream,
        });
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public nint Input, Output, State;
        public long Length;
        public ulong Chunks;
        public float Probability, Scale;
        public uint Stream;
    }
}
