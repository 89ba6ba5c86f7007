using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Softmax or its logarithm over an axis that is not the last, of numbers stored in 16
/// bits: panels of 64 lines are widened, each as a tensor of its own.</summary>
/// <remarks>
/// Shapes: input and output [outer, length, inner], contiguous.
/// Work: a batch is a panel: rows of 64 numbers are widened, <see cref="SoftmaxPanels{T, TForm}"/>
/// runs on the copy, and its result is rounded row by row.
/// Memory: [length, 64] floats a batch.
/// Bytes: every stored number is read and written once; the copy stays in the second-level cache
/// up to a length of some 4,000.
/// Numerics: as in <see cref="SoftmaxPanels{T, TForm}"/>; one rounding on storing a result.
/// Preconditions: Float32, Float16 or BFloat16 each; output is the input or apart from it.
/// Source: the definition.
/// </remarks>
internal readonly unsafe struct SoftmaxPanelsStored<TForm>(
    BufferView input, int outer, int length, int inner, BufferView output) : ISimdAction
    where TForm : struct, ISoftmaxForm
{
    public void Run<T>() where T : struct, ISimdFloat<T>
    {
        if (length == 0 || inner == 0) return;
        Work<T> work = new(input, outer, length, inner, output);
        CpuParallel.For(work.Batches, ref work);
    }

    private readonly struct Work<T>(
        BufferView input, int outer, int length, int inner, BufferView output) : IBatchWork
        where T : struct, ISimdFloat<T>
    {
        private readonly int panels = (int)(((long)inner +
            SoftmaxPanels<T, TForm>.MostLines - 1) / SoftmaxPanels<T, TForm>.MostLines);

        public int Batches => checked(outer * panels);

        public void Run(int batch)
        {
            (int o, int column) = Math.DivRem(batch, panels);
            column *= SoftmaxPanels<T, TForm>.MostLines;
            int lines = Math.Min(SoftmaxPanels<T, TForm>.MostLines, inner - column);
            long start = ((long)o * length * inner) + column;
            using HostBlock block = HostMemory.Rent((long)length * lines * sizeof(float));
            float* copy = block.Pointer<float>();
            for (int l = 0; l < length; l++)
            {
                BufferView row = input.Slice(start + ((long)l * inner), lines);
                FloatStorage.Widen(
                    row.DType, (void*)row.Address, copy + ((long)l * lines), lines);
            }

            new SoftmaxPanels<T, TForm>(copy, 1, length, lines, copy).Run(0);
            for (int l = 0; l < length; l++)
            {
                BufferView row = output.Slice(start + ((long)l * inner), lines);
                FloatStorage.Narrow(
                    row.DType, copy + ((long)l * lines), (void*)row.Address, lines);
            }
        }
    }
}
