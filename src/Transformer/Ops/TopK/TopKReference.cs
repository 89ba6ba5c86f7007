using Transformer.Backends;

namespace Transformer.Ops;

/// <summary>The largest elements of each row.</summary>
/// <remarks>
/// Formula: indices[r, i] is the place of the i-th largest of input[r, ·].
/// Shapes: input [Rows, Length]; values and indices [Rows, Count].
/// Work: one thread; every row is sorted as a whole.
/// Bytes: input read once.
/// Numerics: elements are moved. NaN comes first, equal elements by rising index.
/// Preconditions: a validated call.
/// Source: the definition.
/// </remarks>
internal sealed unsafe class TopKReference : IKernel<TopKForward>
{
    public void Run(in TopKForward call)
    {
        if (call.Rows == 0) return;
        int* indices = call.Indices.Pointer<int>();
        double[] row = new double[call.Length];
        for (long r = 0; r < call.Rows; r++)
        {
            for (int i = 0; i < row.Length; i++)
                row[i] = ReferenceBuffers.Get(call.Input, (r * call.Length) + i);
            int[] order = Descending(row);
            for (int i = 0; i < call.Count; i++)
            {
                indices[(r * call.Count) + i] = order[i];
                if (call.Values.IsPresent)
                    ReferenceBuffers.Set(call.Values, (r * call.Count) + i, row[order[i]]);
            }
        }
    }

    /// <summary>Places by falling element.</summary>
    public static int[] Descending(double[] row) =>
        [.. Enumerable.Range(0, row.Length) // the sort is stable
            .OrderByDescending(i => double.IsNaN(row[i])).ThenByDescending(i => row[i])];
}
