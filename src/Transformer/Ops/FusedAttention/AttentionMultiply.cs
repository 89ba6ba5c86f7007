using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>
/// c = a·b, or c = diag(rowScale)·c + a·b, for six rows: the one product that attention is made of.
/// </summary>
/// <remarks>
/// Shapes: a [6, steps] at a + row·aRow + step·aStep (so a matrix or its transpose), b [steps,
/// vectors·W] with rows bStep apart, c [6, vectors·W] with rows cRow apart.
/// Registers: 6×4 vectors of c stay in registers over all steps where the machine has 32 vector
/// registers, 6×2 where it has 16; each step loads one row of b and six scalars of a, that is 10
/// loads for 24 multiply-adds.
/// Numerics: every element is one chain of multiply-adds in the order of steps, so it does not
/// depend on how rows and columns are grouped; c joins at the end. <see cref="Chained"/> adds
/// chains of 64.
/// </remarks>
internal static unsafe class AttentionMultiply
{
    /// <summary>Rows of a register tile.</summary>
    public const int Rows = 6;

    /// <summary>Steps of one chain: to join c costs a load, a multiply-add and a store, a thirtieth
    /// of a chain's work.</summary>
    public const int Chain = 64;

    private static ReadOnlySpan<float> OneData => [1, 1, 1, 1, 1, 1];

    /// <summary>The row scale that accumulates.</summary>
    public static float* Ones =>
        (float*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(OneData));

    /// <summary>c = a·b in chains of 64 steps: over one long chain the rounding errors of a score
    /// would show in the output.</summary>
    /// <param name="a">[6, steps], contiguous rows <paramref name="aRow"/> apart.</param>
    /// <param name="aRow">Floats from one row of a to the next.</param>
    /// <param name="b">[steps, vectors·W].</param>
    /// <param name="bStep">Floats from one row of b to the next.</param>
    /// <param name="c">[6, vectors·W]; overwritten.</param>
    /// <param name="cRow">Floats from one row of c to the next.</param>
    /// <param name="steps">D.</param>
    /// <param name="vectors">Vectors of a row of b and c.</param>
    public static void Chained<T>(
        float* a, nint aRow, float* b, nint bStep, float* c, nint cRow, int steps, int vectors)
        where T : struct, ISimdFloat<T>
    {
        Run<T>(a, aRow, 1, b, bStep, c, cRow, Math.Min(Chain, steps), vectors, null);
        for (int step = Chain; step < steps; step += Chain)
        {
            Run<T>(a + step, aRow, 1, b + (step * bStep), bStep, c, cRow,
                Math.Min(Chain, steps - step), vectors, Ones);
        }
    }

    /// <summary>The whole product; rowScale null overwrites c.</summary>
    public static void Run<T>(
        float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow,
        int steps, int vectors, float* rowScale) where T : struct, ISimdFloat<T>
    {
        int v = 0;
        if (T.Width == 16 || AdvSimd.IsSupported)
        {
            for (; v + 4 <= vectors; v += 4)
            {
                Tile6x4<T>(a, aRow, aStep, b + (v * T.Width), bStep, c + (v * T.Width), cRow,
                    steps, rowScale);
            }
        }

        for (; v + 2 <= vectors; v += 2)
        {
            Tile6x2<T>(a, aRow, aStep, b + (v * T.Width), bStep, c + (v * T.Width), cRow, steps,
                rowScale);
        }

        if (v < vectors)
        {
            Tile6x1<T>(a, aRow, aStep, b + (v * T.Width), bStep, c + (v * T.Width), cRow, steps,
                rowScale);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile6x4<T>(
        float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow,
        int steps, float* rowScale) where T : struct, ISimdFloat<T>
    {
        float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, a4 = a3 + aRow, a5 = a4 + aRow;
        T c00 = T.Zero, c01 = T.Zero, c02 = T.Zero, c03 = T.Zero;
        T c10 = T.Zero, c11 = T.Zero, c12 = T.Zero, c13 = T.Zero;
        T c20 = T.Zero, c21 = T.Zero, c22 = T.Zero, c23 = T.Zero;
        T c30 = T.Zero, c31 = T.Zero, c32 = T.Zero, c33 = T.Zero;
        T c40 = T.Zero, c41 = T.Zero, c42 = T.Zero, c43 = T.Zero;
        T c50 = T.Zero, c51 = T.Zero, c52 = T.Zero, c53 = T.Zero;
        nint at = 0;
        for (int step = 0; step < steps; step++)
        {
            T b0 = T.Load(b), b1 = T.Load(b + T.Width);
            T b2 = T.Load(b + (2 * T.Width)), b3 = T.Load(b + (3 * T.Width));
            T x = T.Broadcast(a[at]);
            c00 = T.MultiplyAdd(x, b0, c00);
            c01 = T.MultiplyAdd(x, b1, c01);
            c02 = T.MultiplyAdd(x, b2, c02);
            c03 = T.MultiplyAdd(x, b3, c03);
            x = T.Broadcast(a1[at]);
            c10 = T.MultiplyAdd(x, b0, c10);
            c11 = T.MultiplyAdd(x, b1, c11);
            c12 = T.MultiplyAdd(x, b2, c12);
            c13 = T.MultiplyAdd(x, b3, c13);
            x = T.Broadcast(a2[at]);
            c20 = T.MultiplyAdd(x, b0, c20);
            c21 = T.MultiplyAdd(x, b1, c21);
            c22 = T.MultiplyAdd(x, b2, c22);
            c23 = T.MultiplyAdd(x, b3, c23);
            x = T.Broadcast(a3[at]);
            c30 = T.MultiplyAdd(x, b0, c30);
            c31 = T.MultiplyAdd(x, b1, c31);
            c32 = T.MultiplyAdd(x, b2, c32);
            c33 = T.MultiplyAdd(x, b3, c33);
            x = T.Broadcast(a4[at]);
            c40 = T.MultiplyAdd(x, b0, c40);
            c41 = T.MultiplyAdd(x, b1, c41);
            c42 = T.MultiplyAdd(x, b2, c42);
            c43 = T.MultiplyAdd(x, b3, c43);
            x = T.Broadcast(a5[at]);
            c50 = T.MultiplyAdd(x, b0, c50);
            c51 = T.MultiplyAdd(x, b1, c51);
            c52 = T.MultiplyAdd(x, b2, c52);
            c53 = T.MultiplyAdd(x, b3, c53);
            at += aStep;
            b += bStep;
        }

        Put(c, c00, c01, rowScale, 0);
        Put(c + (2 * T.Width), c02, c03, rowScale, 0);
        Put(c += cRow, c10, c11, rowScale, 1);
        Put(c + (2 * T.Width), c12, c13, rowScale, 1);
        Put(c += cRow, c20, c21, rowScale, 2);
        Put(c + (2 * T.Width), c22, c23, rowScale, 2);
        Put(c += cRow, c30, c31, rowScale, 3);
        Put(c + (2 * T.Width), c32, c33, rowScale, 3);
        Put(c += cRow, c40, c41, rowScale, 4);
        Put(c + (2 * T.Width), c42, c43, rowScale, 4);
        Put(c += cRow, c50, c51, rowScale, 5);
        Put(c + (2 * T.Width), c52, c53, rowScale, 5);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile6x2<T>(
        float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow,
        int steps, float* rowScale) where T : struct, ISimdFloat<T>
    {
        float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, a4 = a3 + aRow, a5 = a4 + aRow;
        T c00 = T.Zero, c01 = T.Zero, c10 = T.Zero, c11 = T.Zero, c20 = T.Zero, c21 = T.Zero;
        T c30 = T.Zero, c31 = T.Zero, c40 = T.Zero, c41 = T.Zero, c50 = T.Zero, c51 = T.Zero;
        nint at = 0;
        for (int step = 0; step < steps; step++)
        {
            T b0 = T.Load(b), b1 = T.Load(b + T.Width);
            T x = T.Broadcast(a[at]);
            c00 = T.MultiplyAdd(x, b0, c00);
            c01 = T.MultiplyAdd(x, b1, c01);
            x = T.Broadcast(a1[at]);
            c10 = T.MultiplyAdd(x, b0, c10);
            c11 = T.MultiplyAdd(x, b1, c11);
            x = T.Broadcast(a2[at]);
            c20 = T.MultiplyAdd(x, b0, c20);
            c21 = T.MultiplyAdd(x, b1, c21);
            x = T.Broadcast(a3[at]);
            c30 = T.MultiplyAdd(x, b0, c30);
            c31 = T.MultiplyAdd(x, b1, c31);
            x = T.Broadcast(a4[at]);
            c40 = T.MultiplyAdd(x, b0, c40);
            c41 = T.MultiplyAdd(x, b1, c41);
            x = T.Broadcast(a5[at]);
            c50 = T.MultiplyAdd(x, b0, c50);
            c51 = T.MultiplyAdd(x, b1, c51);
            at += aStep;
            b += bStep;
        }

        Put(c, c00, c01, rowScale, 0);
        Put(c += cRow, c10, c11, rowScale, 1);
        Put(c += cRow, c20, c21, rowScale, 2);
        Put(c += cRow, c30, c31, rowScale, 3);
        Put(c += cRow, c40, c41, rowScale, 4);
        Put(c += cRow, c50, c51, rowScale, 5);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile6x1<T>(
        float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow,
        int steps, float* rowScale) where T : struct, ISimdFloat<T>
    {
        float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, a4 = a3 + aRow, a5 = a4 + aRow;
        T c0 = T.Zero, c1 = T.Zero, c2 = T.Zero, c3 = T.Zero, c4 = T.Zero, c5 = T.Zero;
        nint at = 0;
        for (int step = 0; step < steps; step++)
        {
            T b0 = T.Load(b);
            c0 = T.MultiplyAdd(T.Broadcast(a[at]), b0, c0);
            c1 = T.MultiplyAdd(T.Broadcast(a1[at]), b0, c1);
            c2 = T.MultiplyAdd(T.Broadcast(a2[at]), b0, c2);
            c3 = T.MultiplyAdd(T.Broadcast(a3[at]), b0, c3);
            c4 = T.MultiplyAdd(T.Broadcast(a4[at]), b0, c4);
            c5 = T.MultiplyAdd(T.Broadcast(a5[at]), b0, c5);
            at += aStep;
            b += bStep;
        }

        Put(c, c0, rowScale, 0);
        Put(c += cRow, c1, rowScale, 1);
        Put(c += cRow, c2, rowScale, 2);
        Put(c += cRow, c3, rowScale, 3);
        Put(c += cRow, c4, rowScale, 4);
        Put(c += cRow, c5, rowScale, 5);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put<T>(float* c, T first, T second, float* rowScale, int row)
        where T : struct, ISimdFloat<T>
    {
        Put(c, first, rowScale, row);
        Put(c + T.Width, second, rowScale, row);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put<T>(float* c, T value, float* rowScale, int row)
        where T : struct, ISimdFloat<T>
    {
        if (rowScale != null)
        {
            value = T.MultiplyAdd(T.Load(c), T.Broadcast(rowScale[row]), value);
        }

        T.Store(value, c);
    }
}
