using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>scores[row, key] = q[row]·k[key] for a few rows, on keys where they lie.</summary>
/// <remarks>
/// Shapes: q [rows, D padded], k [keys, D] at any distance from key to key, scores [rows, keys].
/// Work: the caller's thread; a key is read once from memory, widened in registers where it has 16
/// bits, and dotted with every row.
/// Registers: 4 keys × 4 rows are 16 sums where the machine has 32 vector registers, else 4 × 1;
/// the sums of 4 keys are added up across lanes together.
/// Bytes: keys once, 2·rows operations a number read: bound by memory, where transposing a tile
/// of keys would write and read it again. While keys are dotted, the rows that are wanted next are
/// asked for, so that memory is never idle.
/// Numerics: fp32 multiply-adds, one chain a lane over D, then the lanes; a score depends on its
/// row and its key alone.
/// Preconditions: q is padded with zeros, to a multiple of four rows; no number of a key beyond D
/// is read.
/// Source: the definition of the score, Vaswani et al. 2017, eq. 1.
/// </remarks>
internal static unsafe class AttentionDots
{
    private const int Keys = 4;

    /// <summary>scores[row, key] = q[row]·k[key].</summary>
    /// <param name="queries">[rows, Pad(dimension)], padded with zeros.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="dimension">D.</param>
    /// <param name="keys">First key.</param>
    /// <param name="count">Keys.</param>
    /// <param name="ahead">What is read next, row by row as the keys; may be any address.</param>
    /// <param name="scores">[rows, <paramref name="stride"/>], at the first key.</param>
    /// <param name="stride">Floats from one row of scores to the next.</param>
    public static void Run<T>(
        float* queries, int rows, int dimension, in StoredRows keys, int count,
        in StoredRows ahead, float* scores, int stride) where T : struct, ISimdFloat<T>
    {
        switch (keys.Type)
        {
            case DType.BFloat16:
                Run<T, StoredBFloat16>(
                    queries, rows, dimension, keys, count, ahead, scores, stride);
                break;
            case DType.Float16:
                Run<T, StoredFloat16>(
                    queries, rows, dimension, keys, count, ahead, scores, stride);
                break;
            default:
                Run<T, StoredFloat32>(
                    queries, rows, dimension, keys, count, ahead, scores, stride);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<T, TStored>(
        float* queries, int rows, int dimension, in StoredRows keys, int count,
        in StoredRows ahead, float* scores, int stride)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        nint width = AttentionPacking.Pad<T>(dimension);
        float* four = stackalloc float[Keys * Keys];
        byte** k = stackalloc byte*[Keys];
        // What is left of each key after its whole vectors, padded with zeros.
        float* tails = stackalloc float[Keys * Simd512.Width];
        int whole = dimension / T.Width * T.Width;
        for (int key = 0; key < count; key += Keys)
        {
            int valid = Math.Min(Keys, count - key);
            for (int i = 0; i < Keys; i++)
            {
                // Past the last key it is read again; the result is dropped.
                k[i] = keys.Row(key + Math.Min(i, valid - 1));
                ahead.Prefetch(key + i);
            }

            for (int i = 0; whole < dimension && i < Keys; i++)
            {
                T.Store(StoredRows.LoadPartial<T, TStored>(k[i], whole, dimension - whole),
                    tails + (i * T.Width));
            }

            for (int row = 0; row < rows;)
            {
                float* q = queries + (row * width);
                int step = 1;
                if ((T.Width == 16 || AdvSimd.IsSupported) && rows - row > 2)
                {
                    Dot4x4<T, TStored>(q, width, dimension, k, tails, four);
                    step = Math.Min(4, rows - row);
                }
                else
                {
                    Dot1x4<T, TStored>(q, dimension, k, tails, four);
                }

                for (int i = 0; i < step; i++, row++)
                {
                    float* target = scores + (row * stride) + key;
                    for (int j = 0; j < valid; j++) target[j] = four[(i * Keys) + j];
                }
            }
        }
    }

    /// <summary>Four rows by four keys.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot4x4<T, TStored>(
        float* q, nint width, int dimension, byte** keys, float* tails, float* result)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        byte* k0 = keys[0], k1 = keys[1], k2 = keys[2], k3 = keys[3];
        float* q1 = q + width, q2 = q1 + width, q3 = q2 + width;
        T s00 = T.Zero, s01 = T.Zero, s02 = T.Zero, s03 = T.Zero;
        T s10 = T.Zero, s11 = T.Zero, s12 = T.Zero, s13 = T.Zero;
        T s20 = T.Zero, s21 = T.Zero, s22 = T.Zero, s23 = T.Zero;
        T s30 = T.Zero, s31 = T.Zero, s32 = T.Zero, s33 = T.Zero;
        for (nint d = 0; d < dimension; d += T.Width)
        {
            T a, b, c, e;
            if (d + T.Width <= dimension)
            {
                a = TStored.Load<T>(k0, d);
                b = TStored.Load<T>(k1, d);
                c = TStored.Load<T>(k2, d);
                e = TStored.Load<T>(k3, d);
            }
            else
            {
                a = T.Load(tails);
                b = T.Load(tails + T.Width);
                c = T.Load(tails + (2 * T.Width));
                e = T.Load(tails + (3 * T.Width));
            }

            T x = T.Load(q + d);
            s00 = T.MultiplyAdd(x, a, s00);
            s01 = T.MultiplyAdd(x, b, s01);
            s02 = T.MultiplyAdd(x, c, s02);
            s03 = T.MultiplyAdd(x, e, s03);
            x = T.Load(q1 + d);
            s10 = T.MultiplyAdd(x, a, s10);
            s11 = T.MultiplyAdd(x, b, s11);
            s12 = T.MultiplyAdd(x, c, s12);
            s13 = T.MultiplyAdd(x, e, s13);
            x = T.Load(q2 + d);
            s20 = T.MultiplyAdd(x, a, s20);
            s21 = T.MultiplyAdd(x, b, s21);
            s22 = T.MultiplyAdd(x, c, s22);
            s23 = T.MultiplyAdd(x, e, s23);
            x = T.Load(q3 + d);
            s30 = T.MultiplyAdd(x, a, s30);
            s31 = T.MultiplyAdd(x, b, s31);
            s32 = T.MultiplyAdd(x, c, s32);
            s33 = T.MultiplyAdd(x, e, s33);
        }

        Simd128.Store(new(T.SumEach(s00, s01, s02, s03)), result);
        Simd128.Store(new(T.SumEach(s10, s11, s12, s13)), result + Keys);
        Simd128.Store(new(T.SumEach(s20, s21, s22, s23)), result + (2 * Keys));
        Simd128.Store(new(T.SumEach(s30, s31, s32, s33)), result + (3 * Keys));
    }

    /// <summary>One row by four keys.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot1x4<T, TStored>(
        float* q, int dimension, byte** keys, float* tails, float* result)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        byte* k0 = keys[0], k1 = keys[1], k2 = keys[2], k3 = keys[3];
        T s0 = T.Zero, s1 = T.Zero, s2 = T.Zero, s3 = T.Zero;
        nint d = 0;
        for (; d + T.Width <= dimension; d += T.Width)
        {
            T x = T.Load(q + d);
            s0 = T.MultiplyAdd(x, TStored.Load<T>(k0, d), s0);
            s1 = T.MultiplyAdd(x, TStored.Load<T>(k1, d), s1);
            s2 = T.MultiplyAdd(x, TStored.Load<T>(k2, d), s2);
            s3 = T.MultiplyAdd(x, TStored.Load<T>(k3, d), s3);
        }

        if (d < dimension)
        {
            T x = T.Load(q + d);
            s0 = T.MultiplyAdd(x, T.Load(tails), s0);
            s1 = T.MultiplyAdd(x, T.Load(tails + T.Width), s1);
            s2 = T.MultiplyAdd(x, T.Load(tails + (2 * T.Width)), s2);
            s3 = T.MultiplyAdd(x, T.Load(tails + (3 * T.Width)), s3);
        }

        Simd128.Store(new(T.SumEach(s0, s1, s2, s3)), result);
    }
}

/// <summary>Consecutive rows of stored numbers at one distance.</summary>
/// <param name="Address">First row.</param>
/// <param name="Stride">Bytes from one row to the next.</param>
/// <param name="Bytes">Bytes of a row.</param>
/// <param name="Type">Of the numbers.</param>
internal readonly unsafe record struct StoredRows(
    nint Address, long Stride, int Bytes, DType Type)
{
    private const int Line = 64;

    /// <summary>First byte of a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public byte* Row(int row) => (byte*)Address + (row * Stride);

    /// <summary>Asks for a row; any address may be asked for.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Prefetch(int row)
    {
        if (!Sse.IsSupported) return;
        byte* at = Row(row);
        for (int i = 0; i < Bytes; i += Line) Sse.Prefetch1(at + i);
    }

    /// <summary>The first <paramref name="count"/> of a vector's numbers, then zeros.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static T LoadPartial<T, TStored>(byte* source, nint index, int count)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        byte* whole = stackalloc byte[Simd512.Width * sizeof(float)];
        new Span<byte>(whole, Simd512.Width * sizeof(float)).Clear();
        new ReadOnlySpan<byte>(source + (index * TStored.Size), count * TStored.Size)
            .CopyTo(new(whole, count * TStored.Size));
        return TStored.Load<T>(whole, 0);
    }
}
