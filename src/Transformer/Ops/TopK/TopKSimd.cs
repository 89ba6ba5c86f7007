using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>indices[r, i] is the place of the i-th largest of input[r, ·].</summary>
/// <remarks>
/// Shapes: input [Rows, Length]; values and indices [Rows, Count].
/// Work: a batch is one row, which one thread reads once beside a heap of the Count largest so far
/// (<see cref="LargestElements"/>). 32 elements fail its bound by four comparisons of 256 bits,
/// which are as fast as memory; the heap is then sorted.
/// Registers: the bound and four vectors. Memory: 8 bytes an element taken.
/// Bytes: input read once.
/// Numerics: elements are moved, whatever NaN holds too.
/// Preconditions: a validated call on Float32, Float16 or BFloat16 elements.
/// Source: Williams 1964 (heap).
/// </remarks>
internal sealed unsafe class TopKSimd : IKernel<TopKForward>
{
    public bool Supports(in TopKForward call, out string? reason)
    {
        reason = SimdSupport.Storage("input", call.Input);
        return reason is null;
    }

    public void Run(in TopKForward call)
    {
        using HostBlock scratch =
            HostMemory.Rent((long)call.Rows * call.Count * sizeof(ulong));
        Work work = new(call, scratch.Pointer<ulong>());
        CpuParallel.For(call.Rows, ref work);
    }

    private readonly struct Work(TopKForward call, ulong* heaps) : IBatchWork
    {
        public void Run(int row)
        {
            DType type = call.Input.DType;
            byte* input = (byte*)call.Input.Address + ((long)row * call.Length * type.Size());
            ulong* heap = heaps + ((long)row * call.Count);
            LargestElements.Select(type, input, call.Length, heap, call.Count);
            LargestElements.SortDescending(heap, call.Count);
            int* indices = call.Indices.Pointer<int>() + ((long)row * call.Count);
            for (int i = 0; i < call.Count; i++) indices[i] = LargestElements.Index(heap[i]);
            if (call.Values.IsAbsent) return;
            if (type == DType.Float32)
                Take((float*)input, indices, call.Values.Pointer<float>(), row);
            else
                Take((ushort*)input, indices, (ushort*)call.Values.Address, row);
        }

        private void Take<T>(T* input, int* indices, T* values, int row) where T : unmanaged
        {
            values += (long)row * call.Count;
            for (int i = 0; i < call.Count; i++) values[i] = input[indices[i]];
        }
    }
}
