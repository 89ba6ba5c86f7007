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
    public static void LoadQueries<T, TStorage>(
        AttentionArgument<T> p, Sequence s, int unit, int firstRow, ArrayView<T> from,
        Strides strides, int width, int aligned, ArrayView<Float4> to)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        int pieces = Padded(width) / 4, pitch = pieces + (Padding / 4);
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
            }

            to[(r * pitch) + piece] = four;
        }
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
                bad |= IsBad(four.X) || IsBad(four.Y) || IsBad(four.Z) || IsBad(four.W);
            }

            to[(key * pitch) + piece] = four;
        }

        return bad;
    }

    private static bool IsBad(float x) =>
        (Interop.FloatAsInt(x) & 0x7F800000) == 0x7F800000;
}
