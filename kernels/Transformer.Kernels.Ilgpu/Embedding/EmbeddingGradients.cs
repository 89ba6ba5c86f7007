using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.Embedding;

/// <summary>The rows of each id, one list behind the other.</summary>
internal struct EmbeddingLists
{
    public ArrayView<int> Ids, Counts, Starts, Places, Listed, Ordered;
    public int Rows, TableRows;
}

/// <summary>A table's gradient; without lists it is read by place, row mod length.</summary>
internal struct EmbeddingGatherArgument<T> where T : unmanaged
{
    public ArrayView<T> Gradient, Target;
    public ArrayView<int> Counts, Starts, Ordered;
    public int Rows, Width, Length, Aligned;
    public float Scale;
}

/// <summary>target[ids[r]] += scale·gradient[r], in an order that does not depend on how threads
/// run.</summary>
/// <remarks>
/// <para>The rows of an id are found without a sort of the ids: Count gives every row a place among
/// those of its id, in any order; Scan makes starts of the counts; Place writes the rows into
/// lists; Order puts a row where the number of smaller ones in its list says, the same place in
/// every run. Gather sums a list.</para>
/// <para>Shapes: gradient [rows, width]; target [table_rows, width]; ids, places, listed, ordered
/// [rows]; counts, starts [table_rows], counts 0 at first.</para>
/// <para>Work: Count, Place, Order: a thread a row; Scan: one group; Gather: a group a table row.
/// Shared memory: an integer a thread in Scan.</para>
/// <para>Bytes: the gradient once, the target's touched rows read and written once.</para>
/// <para>Numerics: float sums in the rows' order, one rounding on writing. Rows with an id outside
/// the table are left out.</para>
/// </remarks>
internal static class EmbeddingGradients
{
    public static void Clear(EmbeddingLists p)
    {
        int row = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (row < p.TableRows) p.Counts[row] = 0;
    }

    public static void Count(EmbeddingLists p)
    {
        int row = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (row >= p.Rows) return;
        int id = p.Ids[row];
        if (id >= 0 && id < p.TableRows) p.Places[row] = Atomic.Add(ref p.Counts[id], 1);
    }

    public static void Scan(EmbeddingLists p)
    {
        ArrayView<int> sums = SharedMemory.GetDynamic<int>();
        int share = (p.TableRows + Group.DimX - 1) / Group.DimX, begin = Group.IdxX * share;
        int end = begin + share < p.TableRows ? begin + share : p.TableRows, own = 0;
        for (int i = begin; i < end; i++) own += p.Counts[i];
        sums[Group.IdxX] = own;
        Group.Barrier();
        int start = 0;
        for (int i = 0; i < Group.IdxX; i++) start += sums[i];
        for (int i = begin; i < end; i++)
        {
            p.Starts[i] = start;
            start += p.Counts[i];
        }
    }

    public static void Place(EmbeddingLists p)
    {
        int row = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (row >= p.Rows) return;
        int id = p.Ids[row];
        if (id >= 0 && id < p.TableRows) p.Listed[p.Starts[id] + p.Places[row]] = row;
    }

    public static void Order(EmbeddingLists p)
    {
        int row = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (row >= p.Rows) return;
        int id = p.Ids[row];
        if (id < 0 || id >= p.TableRows) return;
        int start = p.Starts[id], smaller = 0;
        for (int i = 0; i < p.Counts[id]; i++) smaller += p.Listed[start + i] < row ? 1 : 0;
        p.Ordered[start + smaller] = row;
    }

    public static void Gather<T, TStorage>(EmbeddingGatherArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        bool listed = p.Ordered.Length > 0;
        int id = Grid.IdxX, start = listed ? p.Starts[id] : 0;
        int count = listed ? p.Counts[id] : p.Rows / p.Length;
        for (int i = Group.IdxX * 4; i < p.Width && count > 0; i += Group.DimX * 4)
        {
            Float4 sum = default;
            for (int k = 0; k < count; k++)
            {
                long row = listed ? p.Ordered[start + k] : ((long)k * p.Length) + id;
                sum += Rows.Load<T, TStorage>(
                    p.Gradient, row * p.Width, i, p.Width, p.Aligned);
            }

            long at = (long)id * p.Width;
            sum = (p.Scale * sum) + Rows.Load<T, TStorage>(p.Target, at, i, p.Width, p.Aligned);
            Rows.Store<T, TStorage>(p.Target, at, i, p.Width, p.Aligned, sum);
        }
    }
}
