using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>A kernel that works row by row in binary32, and so on rows stored in 16 bits.</summary>
/// <remarks>
/// Shapes: [rows, …], as <typeparamref name="TRows"/> says of each buffer.
/// Work: a call in binary32 is the kernel's own. Others are cut into batches by their sizes alone,
/// and these into parts of a few rows, on which the kernel runs inline.
/// Memory: 24 KiB of copies a batch, or those of one row where it is longer; copies of what all
/// rows share; a batch's sums of what is added up.
/// Bytes: every stored number is read and written once; copies stay in the first-level cache, or,
/// where sums are kept, in the second.
/// Numerics: the kernel's; one rounding on storing a result.
/// Preconditions: Float32, Float16 or BFloat16 each.
/// </remarks>
internal abstract unsafe class RowKernel<TCall, TRows> : IKernel<TCall>
    where TCall : struct, IOpCall
    where TRows : struct, IRowCall<TCall>
{
    private const long PartFloats = 6144;
    private const long BatchFloats = 32768;
    private const long MostSums = 64;
    private const long AlignedRows = 64;

    // As for binary32: half of a usual last-level cache.
    private const long LeastStreamingBytes = 16L << 20;

    /// <inheritdoc/>
    public bool Supports(in TCall call, out string? reason)
    {
        reason = Survey(in call).Reason;
        return reason is null;
    }

    /// <inheritdoc/>
    public virtual void Run(in TCall call)
    {
        RowStage survey = Survey(in call);
        if (!survey.Converts) RunSingle(in call);
        else if (TRows.Rows(in call) > 0) RunStaged(in call, in survey);
    }

    /// <summary>Runs a call all of whose numbers are binary32.</summary>
    protected abstract void RunSingle(in TCall call);

    private static RowStage Survey(in TCall call)
    {
        RowStage survey = RowStage.Survey(TRows.Rows(in call));
        TRows.Part(in call, ref survey);
        return survey;
    }

    private void RunStaged(in TCall call, in RowStage survey)
    {
        long rows = TRows.Rows(in call);
        long rowFloats = Math.Max(1, survey.RowFloats);
        bool sums = survey.TotalFloats > 0;
        long partRows = Math.Clamp((sums ? 4 : 1) * PartFloats / rowFloats, 1, TRows.MostRows);
        if (partRows > AlignedRows) partRows -= partRows % AlignedRows;
        long batchRows = Math.Max(partRows, BatchFloats / rowFloats);
        if (sums) batchRows = Math.Max(batchRows, (rows + MostSums - 1) / MostSums);
        batchRows = Math.Max(batchRows, (rows / int.MaxValue) + 1);
        batchRows = (batchRows + partRows - 1) / partRows * partRows;
        int batches = (int)((rows + batchRows - 1) / batchRows);
        using HostBlock block = HostMemory.Rent(
            (survey.SharedFloats + (batches * survey.TotalFloats)) * sizeof(float));
        float* shared = block.Pointer<float>(), totals = shared + survey.SharedFloats;
        RowStage share = RowStage.Share(shared);
        TRows.Part(in call, ref share);
        Work work = new()
        {
            Kernel = this,
            Call = call,
            Rows = rows,
            PartRows = partRows,
            BatchRows = batchRows,
            ScratchFloats = (partRows * survey.RowFloats) + survey.SlackFloats,
            Shared = shared,
            Totals = totals,
            TotalFloats = survey.TotalFloats,
            Streaming = rows * survey.RowFloats * sizeof(ushort) >= 2 * LeastStreamingBytes,
        };
        CpuParallel.For(batches, ref work);
        RowStage collect = RowStage.Collect(totals, survey.TotalFloats, batches);
        TRows.Part(in call, ref collect);
    }

    private struct Work : IBatchWork
    {
        public RowKernel<TCall, TRows> Kernel;
        public TCall Call;
        public long Rows, PartRows, BatchRows, ScratchFloats, TotalFloats;
        public float* Shared, Totals;
        public bool Streaming;

        public readonly void Run(int batch)
        {
            float* totals = Totals + (batch * TotalFloats);
            new Span<float>(totals, (int)TotalFloats).Clear();
            using HostBlock scratch = HostMemory.Rent(ScratchFloats * sizeof(float));
            long end = Math.Min(Rows, (batch + 1L) * BatchRows);
            for (long first = batch * BatchRows; first < end; first += PartRows)
            {
                int count = (int)Math.Min(PartRows, end - first);
                RowStage stage = RowStage.Part(
                    Rows, first, count, scratch.Pointer<float>(), Shared, totals);
                TCall part = TRows.Part(in Call, ref stage);
                Kernel.RunSingle(in part);
                stage.Finish(Streaming);
            }

            if (Streaming) SimdStream.Fence();
        }
    }
}
