using System.Runtime.CompilerServices;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>scores[row, key] = q[row]·k[key] for a few rows, on keys where they lie.</summary>
/// <remarks>
/// Shapes: q [rows, D padded], k [keys, D] at any distance from key to key, scores [rows, keys].
/// Work: the caller's thread; a key is read once from memory and dotted with every row.
/// Registers: two accumulators a dot product, even and odd vectors of D.
/// Bytes: keys once, 2·rows operations a float read: bound by memory, where transposing a tile
/// of keys would write and read it again.
/// Numerics: fp32 multiply-adds, the two accumulators and then their lanes added at the end; a
/// score depends on its row and its key alone.
/// Preconditions: q is padded with zeros; no float of a key beyond D is read.
/// Source: the definition of the score, Vaswani et al. 2017, eq. 1.
/// </remarks>
internal static unsafe class AttentionDots
{
    /// <summary>scores[row, key] = q[row]·k[key] for keys [first, end).</summary>
    /// <param name="queries">[rows, Pad(dimension)], padded with zeros.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="dimension">D.</param>
    /// <param name="keys">Key of column 0; keys <paramref name="keyRow"/> apart.</param>
    /// <param name="keyRow">Floats from one key to the next.</param>
    /// <param name="first">First column.</param>
    /// <param name="end">Column after the last.</param>
    /// <param name="scores">[rows, <paramref name="stride"/>].</param>
    /// <param name="stride">Floats from one row of scores to the next.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<T>(
        float* queries, int rows, int dimension, float* keys, long keyRow, int first, int end,
        float* scores, int stride) where T : struct, ISimdFloat<T>
    {
        int width = AttentionPacking.Pad<T>(dimension);
        for (int key = first; key < end; key++)
        {
            float* k = keys + (key * keyRow);
            for (int row = 0; row < rows; row++)
            {
                float* q = queries + (row * width);
                T even = T.Zero, odd = T.Zero;
                int d = 0;
                for (; d + (2 * T.Width) <= dimension; d += 2 * T.Width)
                {
                    even = T.MultiplyAdd(T.Load(q + d), T.Load(k + d), even);
                    odd = T.MultiplyAdd(T.Load(q + d + T.Width), T.Load(k + d + T.Width), odd);
                }

                for (; d < dimension; d += T.Width)
                {
                    T tail = d + T.Width <= dimension
                        ? T.Load(k + d) : T.LoadPartial(k + d, dimension - d);
                    even = T.MultiplyAdd(T.Load(q + d), tail, even);
                }

                scores[(row * stride) + key] = T.Sum(even + odd);
            }
        }
    }
}
