using System.Numerics;
using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Cuda.Memory;
using Transformer.Ops;

namespace Transformer.Cuda.TopK;

/// <summary>Launches native/TopK/top_k.cu.</summary>
internal sealed class TopKCuda(CudaQueue queue) : IKernel<TopKForward>
{
    // The bins of the selection.
    internal const int BinBytes = (256 + 16) * sizeof(ulong);

    private const uint Threads = 256;

    // What is sorted in shared memory, with room for several blocks in a multiprocessor.
    private const int MostShared = 4096;

    private readonly TypedKernel kernel = new(queue, "top_k", "top_k_{0}");

    public bool Supports(in TopKForward call, out string? reason)
    {
        reason = call.Count <= 1 << 30
            ? null : $"takes up to {1 << 30} elements of a row; 'Count' is {call.Count}";
        return reason is null && CudaTypes.Same(out reason, ("input", call.Input));
    }

    public void Run(in TopKForward call)
    {
        if (call.Rows == 0) return;
        int padded = (int)BitOperations.RoundUpToPowerOf2((uint)call.Count);
        bool shared = padded <= MostShared;
        using CudaScratch taken =
            queue.Rent(shared ? 0 : (long)call.Rows * padded * sizeof(ulong));
        kernel[call.Input.DType].Launch(
            new((uint)call.Rows, Threads,
                BinBytes + sizeof(ulong) + (shared ? padded * sizeof(ulong) : 0)),
            new Argument
            {
                Input = call.Input.Address,
                Values = call.Values.Address,
                Indices = call.Indices.Address,
                Taken = taken.Address,
                Length = call.Length,
                Count = call.Count,
                Padded = padded,
            });
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public nint Input, Values, Indices, Taken;
        public int Length, Count, Padded;
    }
}
