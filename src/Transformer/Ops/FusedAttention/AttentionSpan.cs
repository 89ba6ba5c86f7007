using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>One register block of queries: which rows it holds and what keys its interval rules
/// leave to them.</summary>
internal struct AttentionSpan
{
    /// <summary>Size in floats.</summary>
    public const int Floats = 10;

    /// <summary>First key that any row sees.</summary>
    public int First;

    /// <summary>Key after the last that any row sees.</summary>
    public int End;

    /// <summary>First key that all rows see.</summary>
    public int FirstOfAll;

    /// <summary>Key after the last that all rows see.</summary>
    public int EndOfAll;

    /// <summary>First row in [group, Sq] of the sequence.</summary>
    public int Row;

    /// <summary>Rows.</summary>
    public int Rows;

    /// <summary>Query head and query of the first row.</summary>
    public int Head;

    /// <inheritdoc cref="Head"/>
    public int Query;

    /// <summary>This block and those after it whose queries have the same row of the block mask; 1
    /// where something else may hide keys.</summary>
    public int Alike;

    /// <summary>Not 0 when all rows see all columns that are computed of the current tile.
    /// </summary>
    public int IsWhole;

    /// <summary>The whole vectors that hold the tile's keys that any row sees.</summary>
    public readonly void Columns<T>(int tile, int tileKeys, out int from, out int to)
        where T : struct, ISimdFloat<T>
    {
        from = Math.Max(0, First - tile) / T.Width * T.Width;
        to = AttentionPacking.Pad<T>(Math.Min(tileKeys, End - tile));
    }

    /// <summary>True when columns [from, to) of a tile are keys that every row sees.</summary>
    public readonly bool AllSee(int tile, int tileKeys, int from, int to) =>
        FirstOfAll - tile <= from && EndOfAll - tile >= to && tileKeys >= to;
}
