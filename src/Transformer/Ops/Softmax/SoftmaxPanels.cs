using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>Softmax or its logarithm over an axis that is not the last: a panel is 64 lines that
/// lie side by side.</summary>
/// <remarks>
/// Shapes: input and output [outer, length, inner], contiguous.
/// Work: a batch is a panel, which belongs to one thread, a vector to 16/8/4 of its lines; its
/// rows of 64 floats are read in order of memory.
/// Memory: maxima and sums, 64 floats each, on the stack.
/// Bytes: as in <see cref="SoftmaxLines{T, TForm}"/>, with maxima and sums in L1 besides.
/// Numerics: as in <see cref="SoftmaxLines{T, TForm}"/>; a line is summed in order of its elements.
/// Preconditions: length and inner at least 1; output is the input or apart from it.
/// Source: the definition.
/// </remarks>
internal readonly unsafe struct SoftmaxPanels<T, TForm>(
    float* input, int outer, int length, int inner, float* output) : IBatchWork
    where T : struct, ISimdFloat<T>
    where TForm : struct, ISoftmaxForm
{
    // Whole cache lines, and whole vectors at every width.
    private const int PanelLines = 64;

    private int PanelsOfOne => (int)(((long)inner + PanelLines - 1) / PanelLines);

    /// <summary>Lines of a panel, at most.</summary>
    public static int MostLines => PanelLines;

    /// <summary>Panels of the whole tensor.</summary>
    public int Count => checked(outer * PanelsOfOne);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(int batch)
    {
        float* maxima = stackalloc float[PanelLines];
        float* sums = stackalloc float[PanelLines];
        (int o, int column) = Math.DivRem(batch, PanelsOfOne);
        column *= PanelLines;
        long offset = ((long)o * length * inner) + column;
        int lines = Math.Min(PanelLines, inner - column);
        Maxima(input + offset, lines, maxima);
        Exponentials(
            input + offset, lines, maxima, sums, TForm.IsLogarithm ? null : output + offset);
        if (TForm.IsLogarithm)
        {
            for (int j = 0; j < lines; j++) sums[j] = MathF.Log(sums[j]);
            Shift(input + offset, lines, maxima, sums, output + offset);
        }
        else
        {
            for (int j = 0; j < lines; j++) sums[j] = 1 / sums[j];
            Scale(lines, sums, output + offset);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Maxima(float* x, int lines, float* maxima)
    {
        new Span<float>(maxima, PanelLines).Fill(float.NegativeInfinity);
        for (int l = 0; l < length; l++, x += inner)
        {
            for (int j = 0; j < lines; j += T.Width)
            {
                T.Store(
                    T.Max(T.Load(maxima + j), SimdTail.Load<T>(x + j, lines - j)), maxima + j);
            }
        }
    }

    /// <summary>Σ exp(x − m) of each line; the terms go to y where there is one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Exponentials(float* x, int lines, float* maxima, float* sums, float* y)
    {
        new Span<float>(sums, PanelLines).Clear();
        for (int l = 0; l < length; l++, x += inner)
        {
            for (int j = 0; j < lines; j += T.Width)
            {
                T e = SimdMath.ExpNonPositive(
                    SimdTail.Load<T>(x + j, lines - j) - T.Load(maxima + j));
                T.Store(T.Load(sums + j) + e, sums + j);
                if (y != null) SimdTail.Store(e, y + ((nint)l * inner) + j, lines - j);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Scale(int lines, float* scales, float* y)
    {
        for (int l = 0; l < length; l++, y += inner)
        {
            for (int j = 0; j < lines; j += T.Width)
            {
                SimdTail.Store(
                    SimdTail.Load<T>(y + j, lines - j) * T.Load(scales + j), y + j, lines - j);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Shift(float* x, int lines, float* maxima, float* logSums, float* y)
    {
        for (int l = 0; l < length; l++, x += inner, y += inner)
        {
            for (int j = 0; j < lines; j += T.Width)
            {
                T value = SimdTail.Load<T>(x + j, lines - j) - T.Load(maxima + j);
                SimdTail.Store(value - T.Load(logSums + j), y + j, lines - j);
            }
        }
    }
}
