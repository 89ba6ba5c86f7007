using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>A row of a tile: a query of one of the unit's heads.</summary>
internal struct TileRow
{
    public int Head, Query;

    /// <summary>1 where there is such a row.</summary>
    public int Exists;
}

/// <summary>Loads rows of queries, keys and values into shared memory as floats.</summary>
internal static class AttentionTile
{
    /// <summary>The lowest four floats of padding that keep rows aligned and threads that read
    /// neighbouring rows on different banks.</summary>
    public const int Padding = 4;

    /// <summary>Width rounded up to whole fours.</summary>
    public static int Padded(int width) => (width + 3) / 4 * 4;

    public static TileRow Row<T>(AttentionArgument<T> p, Sequence s, int unit, int row)
        where T : unmanaged
    {
        TileRow result = default;
        if (row >= p.HeadsPerUnit * s.Queries) return result;
        result.Exists = 1;
        result.Head = (unit * p.HeadsPerUnit) + (row / s.Queries);
        result.Query = row % s.Queries;
        return result;
    }

    /// <summary>Rows of queries or of tensors like them; zeros where there is none.</summary>
    /// <returns>True where this thread has seen NaN or ∞.</returns>
    public static bool LoadQueries<T, TStorage>(
        AttentionArgument<T> p, Sequence s, int unit, int firstRow, ArrayView<T> from,
        Strides strides, int width, int aligned, ArrayView<Float4> to)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        int pieces = Padded(width) / 4, pitch = pieces + (Padding / 4);
        bool bad = false;
        for (int i = Group.IdxX; i < p.RowTile * pieces; i += Group.DimX)
        {
            int r = i / pieces, piece = i % pieces;
            TileRow row = Row(p, s, unit, firstRow + r);
            Float4 four = default;
            if (row.Exists != 0)
            {
                long place = AttentionPlaces.QueryPlace(s, strides, row.Query) +
                    (row.Head * strides.Head);
                four = Rows.Load<T, TStorage>(from, place, piece * 4, width, aligned);
                bad |= IsBad(four);
            }

            to[(r * pitch) + piece] = four;
        }

        return bad;
    }

    /// <summary>Keys or values from <paramref name="first"/> on; zeros where there is none.
    /// </summary>
    /// <returns>True where this thread has seen NaN or ∞.</returns>
    public static bool LoadKeys<T, TStorage>(
        AttentionArgument<T> p, Sequence s, int keyHead, int first, ArrayView<T> from,
        Strides strides, int width, int aligned, ArrayView<Float4> to)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        int pieces = Padded(width) / 4, pitch = pieces + (Padding / 4);
        bool bad = false;
        for (int i = Group.IdxX; i < p.KeyTile * pieces; i += Group.DimX)
        {
            int key = i / pieces, piece = i % pieces;
            Float4 four = default;
            if (first + key < s.Stored)
            {
                long place = p.Places.KeyPlace(s, strides, first + key) +
                    (keyHead * strides.Head);
                four = Rows.Load<T, TStorage>(from, place, piece * 4, width, aligned);
                bad |= IsBad(four);
            }

            to[(key * pitch) + piece] = four;
        }

        return bad;
    }

    /// <summary>Rows of shared memory to queries.</summary>
    public static void StoreQueries<T, TStorage>(
        AttentionArgument<T> p, Sequence s, int unit, int firstRow, ArrayView<T> to,
        Strides strides, int width, int aligned, ArrayView<Float4> from)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        int pieces = Padded(width) / 4, pitch = pieces + (Padding / 4);
        for (int i = Group.IdxX; i < p.RowTile * pieces; i += Group.DimX)
        {
            int r = i / pieces, piece = i % pieces;
            TileRow row = Row(p, s, unit, firstRow + r);
            if (row.Exists == 0) continue;
            long place = AttentionPlaces.QueryPlace(s, strides, row.Query) +
                (row.Head * strides.Head);
            Rows.Store<T, TStorage>(
                to, place, piece * 4, width, aligned, from[(r * pitch) + piece]);
        }
    }

    /// <summary>Rows of shared memory to keys or values.</summary>
    public static void StoreKeys<T, TStorage>(
        AttentionArgument<T> p, Sequence s, int keyHead, int first, ArrayView<T> to,
        Strides strides, int width, int aligned, ArrayView<Float4> from)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        int pieces = Padded(width) / 4, pitch = pieces + (Padding / 4);
        for (int i = Group.IdxX; i < p.KeyTile * pieces; i += Group.DimX)
        {
            int key = i / pieces, piece = i % pieces;
            if (first + key >= s.Stored) continue;
            long place = p.Places.KeyPlace(s, strides, first + key) + (keyHead * strides.Head);
            Rows.Store<T, TStorage>(
                to, place, piece * 4, width, aligned, from[(key * pitch) + piece]);
        }
    }

    private static bool IsBad(Float4 x) => IsBad(x.X) || IsBad(x.Y) || IsBad(x.Z) || IsBad(x.W);

    private static bool IsBad(float x) =>
        (Interop.FloatAsInt(x) & 0x7F800000) == 0x7F800000;
}
