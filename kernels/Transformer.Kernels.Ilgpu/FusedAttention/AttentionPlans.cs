using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>How the forward kernel is launched: what is launched and what is supported are asked
/// of the same numbers.</summary>
internal readonly record struct AttentionForwardPlan
{
    public const int MostThreads = 128;
    private const int FewQueries = 8, GroupsPerMultiprocessor = 8, LeastKeysOfSplit = 256;

    /// <summary>No rows where no tile fits.</summary>
    public AttentionTiling Tiling { get; private init; }

    /// <summary>Query heads that the rows of a tile run over.</summary>
    public int HeadsPerUnit { get; private init; }

    public int Units { get; private init; }

    /// <summary>Of a unit.</summary>
    public int Tiles { get; private init; }

    /// <summary>That share a tile's keys.</summary>
    public int Splits { get; private init; }

    /// <summary>Of all sequences.</summary>
    public long Groups { get; private init; }

    public int SharedFloats { get; private init; }

    public static AttentionForwardPlan Of(DeviceLimits limits, AttentionSizes s)
    {
        bool few = s.QueryLength <= FewQueries;
        // The query heads of a key head lie in one group, which reads its keys once.
        int heads = few ? s.QueryHeads / s.KeyValueHeads : 1;
        int units = few ? s.KeyValueHeads : s.QueryHeads;
        long rows = (long)heads * s.QueryLength;
        AttentionTiling tiling = AttentionTiling.Of(limits, rows, s.HeadDimension,
            s.ValueDimension, AttentionForwardKernel.SharedFloats);
        if (tiling.Rows == 0) return default;
        int tiles = (int)((rows + tiling.Rows - 1) / tiling.Rows), splits = 1;
        long groups = (long)tiles * units * s.Batch;
        if (few && groups > 0)
        {
            long wanted = (long)limits.Multiprocessors * GroupsPerMultiprocessor / groups;
            splits = (int)Math.Clamp(s.KeyLength / LeastKeysOfSplit, 1, Math.Max(1, wanted));
        }

        return new()
        {
            Tiling = tiling,
            HeadsPerUnit = heads,
            Units = units,
            Tiles = tiles,
            Splits = splits,
            Groups = groups * splits,
            SharedFloats = (int)AttentionForwardKernel.SharedFloats(
                tiling.Rows, tiling.Keys, s.HeadDimension, s.ValueDimension),
        };
    }
}

/// <summary>How the backward kernels are launched.</summary>
internal readonly record struct AttentionBackwardPlan
{
    public const int MostThreads = 128;

    /// <summary>No rows where no tile fits.</summary>
    public AttentionTiling Tiling { get; private init; }

    /// <summary>Of a head's queries.</summary>
    public int QueryTiles { get; private init; }

    /// <summary>Of the queries' gradient.</summary>
    public long QueryGroups { get; private init; }

    /// <summary>Of the keys' and values' gradients.</summary>
    public long KeyGroups { get; private init; }

    public int SharedFloats { get; private init; }

    public static AttentionBackwardPlan Of(DeviceLimits limits, AttentionSizes s)
    {
        AttentionTiling tiling = AttentionTiling.Of(limits, s.QueryLength, s.HeadDimension,
            s.ValueDimension, AttentionBackwardKernels.SharedFloats);
        if (tiling.Rows == 0) return default;
        int queryTiles = (int)(((long)s.QueryLength + tiling.Rows - 1) / tiling.Rows);
        int keyTiles = (int)(((long)s.KeyLength + tiling.Keys - 1) / tiling.Keys);
        return new()
        {
            Tiling = tiling,
            QueryTiles = queryTiles,
            QueryGroups = (long)queryTiles * s.QueryHeads * s.Batch,
            KeyGroups = (long)keyTiles * s.KeyValueHeads * s.Batch,
            SharedFloats = (int)AttentionBackwardKernels.SharedFloats(
                tiling.Rows, tiling.Keys, s.HeadDimension, s.ValueDimension),
        };
    }
}
