using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.Embedding;

/// <summary>A forward call; absent tensors are empty.</summary>
internal struct EmbeddingArgument<T> where T : unmanaged
{
    public ArrayView<T> Table, Positions, Segments, Output;
    public ArrayView<int> Ids, PositionIds, SegmentIds;
    public int Length, Width, TableRows, PositionRows, SegmentRows, Aligned;
    public float Scale;
}

/// <summary>output[r] = scale·table[ids[r]] + positions[position(r)] + segments[segment_ids[r]];
/// position(r) is position_ids[r], or r mod length.</summary>
/// <remarks>
/// <para>Shapes: ids, position_ids, segment_ids [rows]; tables [their rows, width]; output [rows,
/// width].</para>
/// <para>Work: a group a row, a thread for every so many-th chunk of four. Shared memory: none.
/// </para>
/// <para>Bytes: up to three table rows read and one row written a token.</para>
/// <para>Numerics: float, one rounding on writing. An id outside its table makes its row NaN;
/// nothing is read out of bounds.</para>
/// <para>Source: Vaswani et al. 2017, §3.4.</para>
/// </remarks>
internal static class EmbeddingKernels
{
    public static void GroupPerRow<T, TStorage>(EmbeddingArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        int row = Grid.IdxX, id = p.Ids[row];
        bool known = id >= 0 && id < p.TableRows;
        int position = 0, segment = 0;
        if (p.Positions.Length > 0)
        {
            position = p.PositionIds.Length > 0 ? p.PositionIds[row] : row % p.Length;
            known = known && position >= 0 && position < p.PositionRows;
        }

        if (p.Segments.Length > 0)
        {
            segment = p.SegmentIds[row];
            known = known && segment >= 0 && segment < p.SegmentRows;
        }

        for (int i = Group.IdxX * 4; i < p.Width; i += Group.DimX * 4)
        {
            Float4 x = Float4.All(float.NaN);
            if (known)
            {
                x = p.Scale * Load<T, TStorage>(p, p.Table, id, i);
                if (p.Positions.Length > 0)
                    x += Load<T, TStorage>(p, p.Positions, position, i);
                if (p.Segments.Length > 0) x += Load<T, TStorage>(p, p.Segments, segment, i);
            }

            Rows.Store<T, TStorage>(p.Output, (long)row * p.Width, i, p.Width, p.Aligned, x);
        }
    }

    private static Float4 Load<T, TStorage>(
        EmbeddingArgument<T> p, ArrayView<T> table, int row, int start)
        where T : unmanaged where TStorage : struct, IStorage<T> =>
        Rows.Load<T, TStorage>(table, (long)row * p.Width, start, p.Width, p.Aligned);
}
