using Transformer.Kernels.Ilgpu.Launch;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>Floats of shared memory that a tile takes.</summary>
/// <param name="rows">Queries of the tile.</param>
/// <param name="keys">Keys of the tile.</param>
/// <param name="headDimension">D.</param>
/// <param name="valueDimension">Dv.</param>
internal delegate long TileFloats(int rows, int keys, int headDimension, int valueDimension);

/// <summary>Rows and keys of a tile, such that it fits shared memory.</summary>
/// <param name="Rows">A multiple of four; 0: nothing fits.</param>
/// <param name="Keys">A multiple of four.</param>
internal readonly record struct AttentionTiling(int Rows, int Keys)
{
    private const int MostRows = 64, MostKeys = 32;

    /// <summary>The largest tile that fits.</summary>
    /// <param name="limits">Of the device.</param>
    /// <param name="rows">That there are.</param>
    /// <param name="headDimension">D.</param>
    /// <param name="valueDimension">Dv.</param>
    /// <param name="floats">Shared memory of a tile of rows and keys.</param>
    public static AttentionTiling Of(
        DeviceLimits limits, long rows, int headDimension, int valueDimension, TileFloats floats)
    {
        int most = MostRows;
        while (most > 4 && most / 2 >= rows) most /= 2;
        for (int keys = MostKeys; keys >= 4; keys /= 2)
        {
            // Rather fewer rows than fewer keys, down to as many rows as keys.
            for (int r = most; r >= 4; r /= 2)
            {
                bool few = r < keys && r < most && keys > 4;
                if (!few && floats(r, keys, headDimension, valueDimension) * sizeof(float) <=
                    limits.SharedBytes) return new(r, keys);
            }
        }

        return default;
    }
}
