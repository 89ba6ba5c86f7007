using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.Arm;
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
/// of keys would write and read it again. While keys are dotted, those a tile ahead are asked for,
/// so that memory is never idle.
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
        KeyFour k;
        // What is left of each key after its whole vectors, padded with zeros.
        float* tails = stackalloc float[Keys * Simd512.Width];
        int whole = dimension / T.Width * T.Width;
        for (int key = 0; key < count; key += Keys)
        {
            int valid = Math.Min(Keys, count - key);
            // Past the last key it is read again; the result is dropped.
            k.First = keys.Row(key);
            k.Second = keys.Row(key + Math.Min(1, valid - 1));
            k.Third = keys.Row(key + Math.Min(2, valid - 1));
            k.Fourth = keys.Row(key + valid - 1);
            k.Ahead = ahead.Row(key);
            k.Step = ahead.StepOfFour(out k.Stride);
            if (whole < dimension) LoadTails<T, TStored>(k, whole, dimension - whole, tails);
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

                // What comes next has been asked for: the other rows ask for what is there.
                k.Ahead = k.First;
                k.Stride = k.Step = 0;
                for (int i = 0; i < step; i++, row++)
                {
                    float* target = scores + (row * stride) + key;
                    if (valid == Keys)
                    {
                        Simd128.Store(Simd128.Load(four + (i * Keys)), target);
                        continue;
                    }

                    for (int j = 0; j < valid; j++) target[j] = four[(i * Keys) + j];
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void LoadTails<T, TStored>(in KeyFour k, nint whole, int count, float* tails)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        T.Store(StoredRows.LoadPartial<T, TStored>(k.First, whole, count), tails);
        T.Store(StoredRows.LoadPartial<T, TStored>(k.Second, whole, count), tails + T.Width);
        tails += 2 * T.Width;
        T.Store(StoredRows.LoadPartial<T, TStored>(k.Third, whole, count), tails);
        T.Store(StoredRows.LoadPartial<T, TStored>(k.Fourth, whole, count), tails + T.Width);
    }

    /// <summary>Four rows by four keys.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot4x4<T, TStored>(
        float* q, nint width, int dimension, in KeyFour k, float* tails, float* result)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        byte* k0 = k.First, k1 = k.Second, k2 = k.Third, k3 = k.Fourth, ahead = k.Ahead;
        nint aheadStride = k.Stride, aheadStep = k.Step;
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
                StoredRows.Prefetch<T, TStored>(ref ahead, aheadStride, aheadStep, d);
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
        float* q, int dimension, in KeyFour k, float* tails, float* result)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        byte* k0 = k.First, k1 = k.Second, k2 = k.Third, k3 = k.Fourth, ahead = k.Ahead;
        nint aheadStride = k.Stride, aheadStep = k.Step;
        T s0 = T.Zero, s1 = T.Zero, s2 = T.Zero, s3 = T.Zero;
        nint d = 0;
        for (; d + T.Width <= dimension; d += T.Width)
        {
            StoredRows.Prefetch<T, TStored>(ref ahead, aheadStride, aheadStep, d);
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

    /// <summary>Four keys, and the four rows that are asked for meanwhile: where they begin, from
    /// line to line of a vector, from vector to vector.</summary>
    private struct KeyFour
    {
        public byte* First;
        public byte* Second;
        public byte* Third;
        public byte* Fourth;
        public byte* Ahead;
        public nint Stride;
        public nint Step;
    }
}
