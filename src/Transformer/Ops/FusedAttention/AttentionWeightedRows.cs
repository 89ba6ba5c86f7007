using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.Arm;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>o[row] += Σ weights[row, key]·v[key] for a few rows, on values where they lie.
/// </summary>
/// <remarks>
/// Shapes: weights [rows, keys], v [keys, Dv] at any distance from key to key, o [rows, Pad(Dv)].
/// Work: the caller's thread; a value is read once for four rows.
/// Registers: 4 rows × 4 vectors of o stay in registers over all keys where the machine has 32
/// vector registers, else 1 × 4.
/// Bytes: values once, 2·rows operations a number read: bound by memory; meanwhile those a tile
/// ahead are asked for.
/// Numerics: fp32, every element of o is one chain of multiply-adds over the keys in order, so it
/// does not depend on where pages or rows of tiles end. Where a weight 0 may stand for a hidden
/// key, its value, perhaps not finite, is not multiplied.
/// Preconditions: no number of a value beyond Dv is read.
/// Source: the definition of the output, Vaswani et al. 2017, eq. 1.
/// </remarks>
internal static unsafe class AttentionWeightedRows
{
    /// <summary>o[row] += Σ weights[row, key]·v[key].</summary>
    /// <param name="weights">[rows, <paramref name="stride"/>], at the first key.</param>
    /// <param name="stride">Floats from one row of weights to the next.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="values">First value.</param>
    /// <param name="count">Keys.</param>
    /// <param name="dimension">Dv.</param>
    /// <param name="skips">A key of weight 0 may be hidden.</param>
    /// <param name="ahead">What is read next, row by row; may be any address.</param>
    /// <param name="output">[rows, Pad(dimension)].</param>
    public static void Add<T>(
        float* weights, int stride, int rows, in StoredRows values, int count, int dimension,
        bool skips, in StoredRows ahead, float* output) where T : struct, ISimdFloat<T>
    {
        switch (values.Type)
        {
            case DType.BFloat16:
                Add<T, StoredBFloat16>(
                    weights, stride, rows, values, count, dimension, skips, ahead, output);
                break;
            case DType.Float16:
                Add<T, StoredFloat16>(
                    weights, stride, rows, values, count, dimension, skips, ahead, output);
                break;
            default:
                Add<T, StoredFloat32>(
                    weights, stride, rows, values, count, dimension, skips, ahead, output);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Add<T, TStored>(
        float* weights, int stride, int rows, in StoredRows values, int count, int dimension,
        bool skips, in StoredRows ahead, float* output)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        int width = AttentionPacking.Pad<T>(dimension);
        bool wide = !skips && (T.Width == 16 || AdvSimd.IsSupported);
        int column = 0;
        for (; !skips && column + (4 * T.Width) <= dimension; column += 4 * T.Width)
        {
            int row = 0;
            for (; wide && row + 4 <= rows; row += 4)
            {
                // What comes next is asked for once: then the rows ask for what is there.
                Add4x4<T, TStored>(weights + (row * stride), stride, values, count, column,
                    row == 0 ? ahead : values, output + (row * width) + column, width);
            }

            for (; row < rows; row++)
            {
                Add1x4<T, TStored>(weights + (row * stride), values, count, column,
                    row == 0 ? ahead : values, output + (row * width) + column);
            }
        }

        for (; column < dimension; column += T.Width)
        {
            for (int row = 0; row < rows; row++)
            {
                Add1x1<T, TStored>(weights + (row * stride), values, count, column,
                    Math.Min(T.Width, dimension - column), skips,
                    output + (row * width) + column);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Add4x4<T, TStored>(
        float* w, int stride, in StoredRows values, int count, int column, in StoredRows ahead,
        float* o, int width)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        float* w1 = w + stride, w2 = w1 + stride, w3 = w2 + stride;
        float* o1 = o + width, o2 = o1 + width, o3 = o2 + width;
        int v1 = T.Width, v2 = 2 * T.Width, v3 = 3 * T.Width;
        T s00 = T.Load(o), s01 = T.Load(o + v1), s02 = T.Load(o + v2), s03 = T.Load(o + v3);
        T s10 = T.Load(o1), s11 = T.Load(o1 + v1), s12 = T.Load(o1 + v2), s13 = T.Load(o1 + v3);
        T s20 = T.Load(o2), s21 = T.Load(o2 + v1), s22 = T.Load(o2 + v2), s23 = T.Load(o2 + v3);
        T s30 = T.Load(o3), s31 = T.Load(o3 + v1), s32 = T.Load(o3 + v2), s33 = T.Load(o3 + v3);
        byte* v = values.Row(0);
        nint step = (nint)values.Stride;
        nint nextStep = ahead.StepOfVectors<T, TStored>(column, count, out byte* next);
        for (int key = 0; key < count; key++, v += step, next += nextStep)
        {
            StoredRows.PrefetchFour<T, TStored>(next);
            T a = TStored.Load<T>(v, column), b = TStored.Load<T>(v, column + v1);
            T c = TStored.Load<T>(v, column + v2), d = TStored.Load<T>(v, column + v3);
            T x = T.Broadcast(w[key]);
            s00 = T.MultiplyAdd(x, a, s00);
            s01 = T.MultiplyAdd(x, b, s01);
            s02 = T.MultiplyAdd(x, c, s02);
            s03 = T.MultiplyAdd(x, d, s03);
            x = T.Broadcast(w1[key]);
            s10 = T.MultiplyAdd(x, a, s10);
            s11 = T.MultiplyAdd(x, b, s11);
            s12 = T.MultiplyAdd(x, c, s12);
            s13 = T.MultiplyAdd(x, d, s13);
            x = T.Broadcast(w2[key]);
            s20 = T.MultiplyAdd(x, a, s20);
            s21 = T.MultiplyAdd(x, b, s21);
            s22 = T.MultiplyAdd(x, c, s22);
            s23 = T.MultiplyAdd(x, d, s23);
            x = T.Broadcast(w3[key]);
            s30 = T.MultiplyAdd(x, a, s30);
            s31 = T.MultiplyAdd(x, b, s31);
            s32 = T.MultiplyAdd(x, c, s32);
            s33 = T.MultiplyAdd(x, d, s33);
        }

        Put(o, s00, s01, s02, s03);
        Put(o1, s10, s11, s12, s13);
        Put(o2, s20, s21, s22, s23);
        Put(o3, s30, s31, s32, s33);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Add1x4<T, TStored>(
        float* w, in StoredRows values, int count, int column, in StoredRows ahead, float* o)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        int v1 = T.Width, v2 = 2 * T.Width, v3 = 3 * T.Width;
        T s0 = T.Load(o), s1 = T.Load(o + v1), s2 = T.Load(o + v2), s3 = T.Load(o + v3);
        byte* v = values.Row(0);
        nint step = (nint)values.Stride;
        nint nextStep = ahead.StepOfVectors<T, TStored>(column, count, out byte* next);
        for (int key = 0; key < count; key++, v += step, next += nextStep)
        {
            StoredRows.PrefetchFour<T, TStored>(next);
            T x = T.Broadcast(w[key]);
            s0 = T.MultiplyAdd(x, TStored.Load<T>(v, column), s0);
            s1 = T.MultiplyAdd(x, TStored.Load<T>(v, column + v1), s1);
            s2 = T.MultiplyAdd(x, TStored.Load<T>(v, column + v2), s2);
            s3 = T.MultiplyAdd(x, TStored.Load<T>(v, column + v3), s3);
        }

        Put(o, s0, s1, s2, s3);
    }

    /// <summary>The last columns, and every column where keys may be hidden.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Add1x1<T, TStored>(
        float* w, in StoredRows values, int count, int column, int columns, bool skips, float* o)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        T sum = T.Load(o);
        for (int key = 0; key < count; key++)
        {
            if (skips && w[key] == 0) continue;
            byte* v = values.Row(key);
            T value = columns == T.Width ? TStored.Load<T>(v, column)
                : StoredRows.LoadPartial<T, TStored>(v, column, columns);
            sum = T.MultiplyAdd(T.Broadcast(w[key]), value, sum);
        }

        T.Store(sum, o);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put<T>(float* o, T s0, T s1, T s2, T s3) where T : struct, ISimdFloat<T>
    {
        T.Store(s0, o);
        T.Store(s1, o + T.Width);
        T.Store(s2, o + (2 * T.Width));
        T.Store(s3, o + (3 * T.Width));
    }
}
