using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Which buffers of a call belong to a row and which to all of them, so that a kernel for
/// binary32 also serves rows that are stored in 16 bits.</summary>
internal interface IRowCall<TCall> where TCall : struct, IOpCall
{
    /// <summary>Most rows of a part: no more than the kernel gives to one thread.</summary>
    static abstract int MostRows { get; }

    /// <summary>Rows of the call; none depends on another.</summary>
    static abstract long Rows(in TCall call);

    /// <summary>The call on the stage's rows, every buffer taken from the stage.</summary>
    static abstract TCall Part(in TCall call, ref RowStage stage);
}

/// <summary>
/// Gives a kernel its buffers in binary32: as they lie where that is their type, else as copies of
/// some rows that stay in cache, widened before the kernel runs and rounded once afterwards.
/// </summary>
/// <remarks>The same description of a call (<see cref="IRowCall{TCall}"/>) is read four times over:
/// to survey types and sizes, to widen what all rows share, for each part, and to add up totals.
/// </remarks>
internal unsafe ref struct RowStage
{
    private const int MostWrites = 8;
    private const int Granule = 16;
    private const int CollectLength = 1024;
    private const int LineBytes = 64;

    private Pass pass;
    private long rows, first;
    private float* scratch, shared, totals;
    private long scratchUsed, sharedUsed, totalsUsed, totalStep;
    private int writes, batches;
    private WriteList pending;

    private enum Pass
    {
        Survey,
        Share,
        Part,
        Collect,
    }

    /// <summary>Rows of the part.</summary>
    public int Count { get; private set; }

    /// <summary>Why the call cannot run; null where it can.</summary>
    public string? Reason { get; private set; }

    /// <summary>Whether any buffer is not of binary32.</summary>
    public bool Converts { get; private set; }

    /// <summary>Floats of a row's copies.</summary>
    public long RowFloats { get; private set; }

    /// <summary>Floats of the copies' alignment, whatever the rows.</summary>
    public int SlackFloats { get; private set; }

    /// <summary>Floats of the copies that all rows share.</summary>
    public readonly long SharedFloats => sharedUsed;

    /// <summary>Floats of what one batch adds up.</summary>
    public readonly long TotalFloats => totalsUsed;

    /// <summary>Looks at types and sizes; moves nothing.</summary>
    public static RowStage Survey(long rows) => new() { pass = Pass.Survey, rows = rows };

    /// <summary>Widens what all rows share.</summary>
    public static RowStage Share(float* shared) => new() { pass = Pass.Share, shared = shared };

    /// <summary>Widens the rows [first, first + count).</summary>
    public static RowStage Part(
        long rows, long first, int count, float* scratch, float* shared, float* totals) => new()
    {
        pass = Pass.Part, rows = rows, first = first, Count = count, scratch = scratch,
        shared = shared, totals = totals,
    };

    /// <summary>Adds every batch's totals, in order of batches, to the call's.</summary>
    public static RowStage Collect(float* totals, long step, int batches) => new()
    {
        pass = Pass.Collect, totals = totals, totalStep = step, batches = batches,
    };

    /// <summary>Rows that the kernel reads, [rows, …].</summary>
    public BufferView Read(string argument, BufferView view)
    {
        BufferView part = Rows(argument, view);
        if (pass != Pass.Part || part.IsAbsent || part.DType == DType.Float32) return part;
        float* copy = Take(part.Length);
        FloatStorage.Widen(part.DType, (void*)part.Address, copy, (int)part.Length);
        if (first + Count < rows) Fetch(part);
        return BufferView.Of(copy, part.Length);
    }

    /// <summary>Asks for the rows after these, to arrive while the kernel works on these.</summary>
    private static void Fetch(BufferView part)
    {
        nint bytes = (nint)part.Length * sizeof(ushort);
        byte* next = (byte*)part.Address + bytes;
        for (nint at = 0; at < bytes; at += LineBytes) SimdStream.Fetch(next + at);
    }

    /// <summary>Rows that the kernel writes, all of them, [rows, …].</summary>
    public BufferView Write(string argument, BufferView view)
    {
        BufferView part = Rows(argument, view);
        if (pass != Pass.Part || part.IsAbsent || part.DType == DType.Float32) return part;
        float* copy = Take(part.Length);
        pending[writes++] = new(copy, part);
        return BufferView.Of(copy, part.Length);
    }

    /// <summary>What the kernel reads for every row.</summary>
    public BufferView Shared(string argument, BufferView view)
    {
        if (pass == Pass.Survey) Note(argument, view);
        if (view.IsAbsent || view.DType == DType.Float32 || pass == Pass.Collect) return view;
        float* copy = shared + sharedUsed;
        sharedUsed += Padded(view.Length);
        if (pass == Pass.Survey) return view;
        if (pass == Pass.Share)
            FloatStorage.Widen(view.DType, (void*)view.Address, copy, (int)view.Length);
        return BufferView.Of(copy, view.Length);
    }

    /// <summary>What the kernel adds to in every row: each batch has its own sums.</summary>
    public BufferView Total(string argument, BufferView view)
    {
        if (pass == Pass.Survey) Note(argument, view);
        if (view.IsAbsent || pass == Pass.Share) return view;
        float* sums = totals + totalsUsed;
        totalsUsed += Padded(view.Length);
        if (pass == Pass.Survey) return view;
        if (pass == Pass.Collect) AddUp(sums, view);
        return BufferView.Of(sums, view.Length);
    }

    /// <summary>Rounds what the kernel wrote.</summary>
    public readonly void Finish(bool streaming)
    {
        for (int i = 0; i < writes; i++)
        {
            BufferView target = pending[i].Target;
            FloatStorage.Narrow(target.DType, pending[i].Copy, (void*)target.Address,
                (int)target.Length, streaming);
        }
    }

    private BufferView Rows(string argument, BufferView view)
    {
        if (view.IsAbsent || pass is Pass.Share or Pass.Collect) return view;
        long ofOne = rows == 0 ? 0 : view.Length / rows;
        if (pass == Pass.Part) return view.Slice(first * ofOne, Count * ofOne);
        Note(argument, view);
        if (view.DType == DType.Float32) return view;
        RowFloats += ofOne;
        SlackFloats += Granule;
        return view;
    }

    private void Note(string argument, BufferView view)
    {
        Reason ??= SimdSupport.Storage(argument, view);
        Converts |= view.IsPresent && view.DType != DType.Float32;
    }

    private float* Take(long floats)
    {
        float* taken = scratch + scratchUsed;
        scratchUsed += Padded(floats);
        return taken;
    }

    private readonly void AddUp(float* sums, BufferView view)
    {
        float* sum = stackalloc float[CollectLength];
        for (long start = 0; start < view.Length; start += CollectLength)
        {
            BufferView piece = view.Slice(start, Math.Min(CollectLength, view.Length - start));
            int count = (int)piece.Length;
            FloatStorage.Widen(piece.DType, (void*)piece.Address, sum, count);
            for (int batch = 0; batch < batches; batch++)
            {
                System.Numerics.Tensors.TensorPrimitives.Add(
                    new ReadOnlySpan<float>(sum, count),
                    new ReadOnlySpan<float>(sums + start + (batch * totalStep), count),
                    new Span<float>(sum, count));
            }

            FloatStorage.Narrow(piece.DType, sum, (void*)piece.Address, count);
        }
    }

    private static long Padded(long floats) => (floats + Granule - 1) / Granule * Granule;

    private readonly struct PendingWrite(float* copy, BufferView target)
    {
        public float* Copy => copy;

        public BufferView Target => target;
    }

    [InlineArray(MostWrites)]
    private struct WriteList
    {
        private PendingWrite first;
    }
}
