using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.KvCacheAppend;

/// <summary>A call; absent tensors are empty.</summary>
internal struct AppendArgument
{
    public AnyFloats Source, Cache, Cosines, Sines;
    public ArrayView<int> Positions, BlockTable;
    public long SourceStride, Capacity;
    public int NewLength, Width, TableStride, PageSize, PageCount;

    /// <summary>Rows of the rotary tables; 0: nothing is rotated.</summary>
    public int TableRows;

    public int Rotary, HeadDimension, Interleaved;
}

/// <summary>cache[b, positions[b] + i, :] = source[b, i, :], each head rotated at that position
/// where there are tables: y₁ = c·x₁ − s·x₂, y₂ = s·x₁ + c·x₂ for a pair of its first Rotary
/// elements.</summary>
/// <remarks>
/// <para>Shapes: source [batch, new_length, width], SourceStride elements between rows; cache
/// [batch, capacity, width], or [pages, page_size, width] behind block_table [batch, TableStride];
/// cosines, sines [TableRows, Rotary / 2].</para>
/// <para>Work: a group a new row, a thread every so many-th element. Shared memory: none.</para>
/// <para>Bytes: a new row read and written once, and a row of the tables.</para>
/// <para>Numerics: float, one rounding. A row whose position, page or table row does not exist is
/// not written. Source: Su et al. 2021, eq. 34 (rotation).</para>
/// </remarks>
internal static class AppendKernel
{
    public static void GroupPerRow(AppendArgument p)
    {
        int row = Grid.IdxX, sequence = row / p.NewLength;
        long position = (long)p.Positions[sequence] + (row % p.NewLength);
        bool rotates = p.TableRows > 0;
        if (position < 0 || position >= p.Capacity || (rotates && position >= p.TableRows)) return;
        long target = (sequence * p.Capacity) + position;
        if (p.BlockTable.Length > 0)
        {
            long entry = ((long)sequence * p.TableStride) + (position / p.PageSize);
            int page = p.BlockTable[entry];
            if (page < 0 || page >= p.PageCount) return;
            target = ((long)page * p.PageSize) + (position % p.PageSize);
        }

        long from = row * p.SourceStride, to = target * p.Width;
        int half = p.Rotary / 2;
        for (int w = Group.IdxX; w < p.Width; w += Group.DimX)
        {
            float value = p.Source.Load(from + w);
            int d = rotates ? w % p.HeadDimension : 0;
            if (rotates && d < p.Rotary)
            {
                bool neighbours = p.Interleaved != 0;
                int pair = neighbours ? d / 2 : d % half, distance = neighbours ? 1 : half;
                bool second = neighbours ? d % 2 != 0 : d >= half;
                float other = p.Source.Load(from + (second ? w - distance : w + distance));
                float product = p.Sines.Load((position * half) + pair) * other;
                float own = p.Cosines.Load((position * half) + pair) * value;
                value = second ? own + product : own - product;
            }

            p.Cache.Store(to + w, value);
        }
    }
}
