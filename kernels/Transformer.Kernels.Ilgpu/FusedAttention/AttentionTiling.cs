using Transformer.Kernels.Ilgpu.Launch;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>Rows and keys of a tile, such that it fits shared memory.</summary>
/// <param name="Rows">A multiple of four; 0: nothing fits.</param>
/// <param name="Keys">A multiple of four.</param>
internal readonly record struct AttentionTiling(int Rows, int Keys)
{
    private const int MostRows = 64, MostKeys = 32;

    /// <summary>The largest tile that fits.</summary>
    /// <param name="limits">Of the device.</param>
    /// <param name="rows">That there are.</param>
    /// <param name="floats">Shared memory of a tile of rows and keys.</param>
    public static AttentionTiling Of(
        DeviceLimits limits, int rows, Func<int, int, long> floats)
    {
        int most = MostRows;
        while (most > 4 && most / 2 >= rows) most /= 2;
        for (int keys = MostKeys; keys >= 4; keys /= 2)
        {
            // Rather fewer rows than fewer keys, down to as many rows as keys.
            for (int r = most; r >= 4; r /= 2)
            {
                bool few = r < keys && r < most && keys > 4;
                if (!few && floats(r, keys) * sizeof(float) <= limits.SharedBytes)
                    return new(r, keys);
            }
        }

        return default;
    }
}
