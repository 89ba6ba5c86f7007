using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Ops;

namespace Transformer.Cuda.Add;

/// <summary>Launches native/Add/add.cu.</summary>
internal sealed class AddCuda(CudaQueue queue) : IKernel<AddForward>
{
    private readonly TypedKernel kernel = new(queue, "add", "add_{0}");

    public bool Supports(in AddForward call, out string? reason) => CudaTypes.Same(
        out reason, ("left", call.Left), ("right", call.Right), ("output", call.Output));

    public void Run(in AddForward call)
    {
        ulong chunks = CudaElements.Chunks(call.Length, call.Left, call.Right, call.Output);
        kernel[call.Left.DType].Launch(CudaElements.Shape(call.Length, chunks), new Argument
        {
            Left = call.Left.Address,
            Right = call.Right.Address,
            Output = call.Output.Address,
            Length = call.Length,
            Chunks = chunks,
        });
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public nint Left, Right, Output;
        public long Length;
        public ulong Chunks;
    }
}
