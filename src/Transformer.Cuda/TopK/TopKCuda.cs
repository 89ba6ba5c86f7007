using System.Numerics;
using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Ops;

namespace Transformer.Cuda.TopK;

/// <summary>Launches native/TopK/top_k.cu.</summary>
internal sealed class TopKCuda(CudaQueue queue) : IKernel<TopKForward>
{
    // The bins of the selection, and a counter behind what is taken.
    internal const int BinBytes = (256 + 16) * sizeof(ulong);

    private const uint Threads = 256;
    private const int MostTaken = 1024;

    private readonly TypedKernel kernel = new(queue, "top_k", "top_k_{0}");

    public bool Supports(in TopKForward call, out string? reason)
    {
        reason = call.Count <= MostTaken
            ? null : $"takes up to {MostTaken} elements of a row; 'Count' is {call.Count}";
        return reason is null && CudaTypes.Same(out reason, ("input", call.Input));
    }

    public void Run(in TopKForward call)
    {
        if (call.Rows == 0) return;
        int padded = (int)BitOperations.RoundUpToPowerOf2((uint)call.Count);
        kernel[call.Input.DType].Launch(
            new((uint)call.Rows, Threads, BinBytes + (padded * sizeof(ulong)) + sizeof(ulong)),
            new Argument
            {
                Input = call.Input.Address,
                Values = call.Values.Address,
                Indices = call.Indices.Address,
                Length = call.Length,
                Count = call.Count,
                Padded = padded,
            });
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public nint Input, Values, Indices;
        public int Length, Count, Padded;
    }
}
