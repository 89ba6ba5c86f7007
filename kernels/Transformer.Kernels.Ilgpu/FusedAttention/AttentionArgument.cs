using ILGPU;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>Elements from one sequence, head and row to the next.</summary>
internal struct Strides
{
    public long Batch, Head, Row;
}

/// <summary>What attention's kernels share; absent tensors are empty.</summary>
internal struct AttentionArgument<T> where T : unmanaged
{
    public ArrayView<T> Query, Key, Value, Output;
    public ArrayView<float> LogSumExp;
    public AttentionPlaces Places;
    public AttentionTerms Terms;
    public Strides QueryStrides, KeyStrides, ValueStrides, OutputStrides;
    public int Batch, QueryHeads, KeyHeads, HeadDimension, ValueDimension;
    public int QueryAligned, KeyAligned, ValueAligned, OutputAligned;

    /// <summary>Query heads that the rows of a tile run over, and how many such units there are.
    /// </summary>
    public int HeadsPerUnit, Units;

    /// <summary>Tiles of rows of a unit; groups that share a tile's keys; rows and keys of a tile,
    /// multiples of four.</summary>
    public int Tiles, Splits, RowTile, KeyTile;

    /// <summary>[splits, rows, Dv] and [splits, rows] where keys are split.</summary>
    public ArrayView<float> PartialOutputs, PartialSums;

    /// <summary>All rows of queries: sequences or packed queries times heads.</summary>
    public long Rows;
}
