using ILGPU;

namespace Transformer.Kernels.Ilgpu.Device;

/// <summary>Four neighbouring elements of a row that need not start aligned or end at a multiple of
/// four.</summary>
internal static class Rows
{
    /// <summary>Loads them; zeros past the row's end.</summary>
    /// <param name="view">The tensor.</param>
    /// <param name="row">Of the row's first element.</param>
    /// <param name="start">In the row, a multiple of four.</param>
    /// <param name="width">Of the row.</param>
    /// <param name="aligned">1: every row starts aligned and is a multiple of four long.</param>
    public static Float4 Load<T, TStorage>(
        ArrayView<T> view, long row, int start, int width, int aligned)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        TStorage storage = default;
        if (aligned != 0) return storage.Load4(view, row + start);
        Float4 result = default;
        result.X = storage.Load(view, row + start);
        if (start + 1 < width) result.Y = storage.Load(view, row + start + 1);
        if (start + 2 < width) result.Z = storage.Load(view, row + start + 2);
        if (start + 3 < width) result.W = storage.Load(view, row + start + 3);
        return result;
    }

    /// <summary>Stores what lies in the row.</summary>
    public static void Store<T, TStorage>(
        ArrayView<T> view, long row, int start, int width, int aligned, Float4 value)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        TStorage storage = default;
        if (aligned != 0)
        {
            storage.Store4(view, row + start, value);
            return;
        }

        storage.Store(view, row + start, value.X);
        if (start + 1 < width) storage.Store(view, row + start + 1, value.Y);
        if (start + 2 < width) storage.Store(view, row + start + 2, value.Z);
        if (start + 3 < width) storage.Store(view, row + start + 3, value.W);
    }
}
