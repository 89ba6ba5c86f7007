using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

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

    /// <summary>How to go through four rows in as many steps as a row has cache lines, four lines
    /// a step: dense rows in the order of memory, which a processor's own prefetching goes along
    /// with (it is what brings the most lines at a time), others side by side.</summary>
    /// <param name="stride">Bytes from one line of a step to the next.</param>
    /// <returns>Bytes from one step to the next.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public nint StepOfFour(out nint stride)
    {
        bool dense = Stride == Bytes;
        stride = dense ? Line : (nint)Stride;
        return dense ? 4 * Line : Line;
    }

    /// <summary>How to go through rows four vectors at a time, those of one column of vectors
    /// after another: as <see cref="StepOfFour"/>.</summary>
    /// <param name="column">First column of the vectors that are at hand.</param>
    /// <param name="count">Rows.</param>
    /// <param name="start">Where to begin.</param>
    /// <returns>Bytes from one row at hand to the next.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public nint StepOfVectors<T, TStored>(int column, int count, out byte* start)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        nint four = 4 * T.Width * TStored.Size;
        start = Row(0) + ((nint)column * TStored.Size * (Stride == Bytes ? count : 1));
        return Stride == Bytes ? four : (nint)Stride;
    }

    /// <summary>Asks for the four lines of a step, once a cache line of <paramref name="index"/>.
    /// </summary>
    /// <remarks>Between the multiply-adds of a vector: many requests in a row would fill the few
    /// places in which misses wait, and the loads of the rows at hand would queue behind them.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch<T, TStored>(ref byte* at, nint stride, nint step, nint index)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        if (!Sse.IsSupported) return;
        if (T.Width * TStored.Size < Line && ((index * TStored.Size) & (Line - 1)) != 0) return;
        Sse.Prefetch1(at);
        Sse.Prefetch1(at + stride);
        Sse.Prefetch1(at + (2 * stride));
        Sse.Prefetch1(at + (3 * stride));
        at += step;
    }

    /// <summary>Asks for four vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void PrefetchFour<T, TStored>(byte* at)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        if (!Sse.IsSupported) return;
        Sse.Prefetch1(at);
        if (4 * T.Width * TStored.Size > Line) Sse.Prefetch1(at + Line);
        if (4 * T.Width * TStored.Size > 2 * Line)
        {
            Sse.Prefetch1(at + (2 * Line));
            Sse.Prefetch1(at + (3 * Line));
        }
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
