using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>Softmax or its logarithm over the last axis: lines without gaps.</summary>
/// <remarks>
/// Shapes: input and output [outer, length], contiguous.
/// Work: a batch is 16 lines; a line belongs to one thread, a vector to 16/8/4 elements of it.
/// Registers: four maxima and two sums, to cover the latency of their operations.
/// Memory: the elements behind the last whole vector, 16 floats on the stack, padded by −∞.
/// Bytes: a line is read for its maximum and for its exponentials; softmax writes these and scales
/// them where they lie, the logarithm reads the line once more instead. All but the first hit L2.
/// Numerics: binary32; the maximum is subtracted first, so that no exponent is positive; NaN, +∞
/// or nothing but −∞ makes the line NaN.
/// Preconditions: length at least 1; output is the input or apart from it.
/// Source: the definition.
/// </remarks>
internal readonly unsafe struct SoftmaxLines<T, TForm>(
    float* input, int outer, int length, float* output) : IBatchWork
    where T : struct, ISimdFloat<T>
    where TForm : struct, ISoftmaxForm
{
    private const int WidestVector = 16;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(int batch)
    {
        float* tail = stackalloc float[WidestVector];
        (int first, int last) = RowBatches.Range(batch, outer);
        for (int line = first; line < last; line++)
        {
            float* x = input + ((long)line * length), y = output + ((long)line * length);
            CopyTail(x, tail);
            float maximum = Maximum(x, tail);
            if (TForm.IsLogarithm)
            {
                Shift(x, maximum, MathF.Log(Exponentials(x, tail, maximum, null)), y);
            }
            else
            {
                Scale(1 / Exponentials(x, tail, maximum, y), y);
            }
        }
    }

    /// <summary>The elements behind the last whole vector; the other lanes weigh nothing.
    /// </summary>
    private void CopyTail(float* x, float* tail)
    {
        int count = length % T.Width;
        new Span<float>(tail, WidestVector).Fill(float.NegativeInfinity);
        new Span<float>(x + length - count, count).CopyTo(new Span<float>(tail, count));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private float Maximum(float* x, float* tail)
    {
        T m0 = T.Broadcast(float.NegativeInfinity), m1 = m0, m2 = m0, m3 = m0;
        int i = 0;
        for (; i + (4 * T.Width) <= length; i += 4 * T.Width)
        {
            m0 = T.Max(m0, T.Load(x + i));
            m1 = T.Max(m1, T.Load(x + i + T.Width));
            m2 = T.Max(m2, T.Load(x + i + (2 * T.Width)));
            m3 = T.Max(m3, T.Load(x + i + (3 * T.Width)));
        }

        for (; i + T.Width <= length; i += T.Width) m0 = T.Max(m0, T.Load(x + i));
        if (i < length) m1 = T.Max(m1, T.Load(tail));
        return T.MaxAcross(T.Max(T.Max(m0, m1), T.Max(m2, m3)));
    }

    /// <summary>Σ exp(x − m); the terms go to y where there is one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private float Exponentials(float* x, float* tail, float maximum, float* y)
    {
        T m = T.Broadcast(maximum);
        T s0 = T.Zero, s1 = T.Zero;
        int i = 0;
        for (; i + (2 * T.Width) <= length; i += 2 * T.Width)
        {
            T e0 = SimdMath.ExpNonPositive(T.Load(x + i) - m);
            T e1 = SimdMath.ExpNonPositive(T.Load(x + i + T.Width) - m);
            s0 += e0;
            s1 += e1;
            if (y == null) continue;
            T.Store(e0, y + i);
            T.Store(e1, y + i + T.Width);
        }

        for (; i < length; i += T.Width)
        {
            int left = length - i;
            T e = SimdMath.ExpNonPositive(T.Load(left < T.Width ? tail : x + i) - m);
            s0 += e;
            if (y != null) SimdTail.Store(e, y + i, left);
        }

        return T.Sum(s0 + s1);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Scale(float scale, float* y)
    {
        T s = T.Broadcast(scale);
        int i = 0;
        for (; i + T.Width <= length; i += T.Width) T.Store(T.Load(y + i) * s, y + i);
        for (; i < length; i++) y[i] *= scale;
    }

    // Two subtractions: their sum would lose the digits of the smaller where the other is large.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Shift(float* x, float maximum, float logSum, float* y)
    {
        T m = T.Broadcast(maximum), s = T.Broadcast(logSum);
        int i = 0;
        for (; i + T.Width <= length; i += T.Width) T.Store(T.Load(x + i) - m - s, y + i);
        for (; i < length; i++) y[i] = x[i] - maximum - logSum;
    }
}
