using Transformer.Backends;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>output₁ = c·x₁ − s·x₂, output₂ = s·x₁ + c·x₂ for each pair of each head.</summary>
/// <remarks>
/// Shapes: input, output [B, H, S, D] with strides over B, H and S; tables [MaxPositions, R/2] or
/// [B, S, R/2]; ids [B, S].
/// Work: a batch is about 8,192 elements of whole heads; heads are walked in the order in which
/// they lie in memory, each by <see cref="RotaryRow"/>.
/// Bytes: every element read and written once; table rows come from cache, being shared by the
/// heads of a token. 3 operations an element: bound by memory.
/// Numerics: binary32, no sum longer than two products; the same bits at any vector width.
/// Preconditions: a validated call; input and output of one type, both tables of one, each Float32,
/// Float16 or BFloat16; ids are checked before anything is written.
/// Source: Su et al. 2021, eq. 34.
/// </remarks>
internal sealed class RotaryEmbeddingForwardSimd : IKernel<RotaryEmbeddingForward>
{
    public bool Supports(in RotaryEmbeddingForward call, out string? reason) =>
        RotaryEmbeddingAction.Supports(call.Pass, ("input", "output"), out reason);

    public void Run(in RotaryEmbeddingForward call) =>
        SimdDispatch.Run(new RotaryEmbeddingAction(call.Pass));
}

/// <summary>inputGradient₁ = c·g₁ + s·g₂, inputGradient₂ = c·g₂ − s·g₁.</summary>
/// <remarks>
/// Shapes: as <see cref="RotaryEmbeddingForwardSimd"/>.
/// Work: the same walk with −s for s.
/// Bytes: as forward.
/// Numerics: as forward.
/// Preconditions: as forward.
/// </remarks>
internal sealed class RotaryEmbeddingBackwardSimd : IKernel<RotaryEmbeddingBackward>
{
    public bool Supports(in RotaryEmbeddingBackward call, out string? reason) =>
        RotaryEmbeddingAction.Supports(
            call.Pass, ("outputGradient", "inputGradient"), out reason);

    public void Run(in RotaryEmbeddingBackward call) =>
        SimdDispatch.Run(new RotaryEmbeddingAction(call.Pass));
}

/// <summary>Either call at one vector width.</summary>
internal readonly struct RotaryEmbeddingAction(RotaryPass pass) : ISimdAction
{
    private const int ElementsPerBatch = 8192;

    public static bool Supports(
        in RotaryPass pass, (string Source, string Target) names, out string? reason)
    {
        RotaryTables tables = pass.Inputs.Tables;
        if (pass.Source.DType != pass.Target.DType)
            reason = $"takes '{names.Source}' and '{names.Target}' of one type";
        else if (tables.Cosines.DType != tables.Sines.DType)
            reason = "takes 'cosines' and 'sines' of one type";
        else
            SimdSupport.AllStorage(
                out reason, (names.Source, pass.Source), ("cosines", tables.Cosines));
        return reason is null;
    }

    public void Run<T>() where T : struct, ISimdFloat<T>
    {
        pass.CheckPositions();
        StoredDispatch.Run(
            pass.Source.DType, pass.Inputs.Tables.Cosines.DType, new StoredAction<T>(pass));
    }

    private readonly struct StoredAction<T>(RotaryPass pass) : IStoredAction
        where T : struct, ISimdFloat<T>
    {
        public void Run<TData, TTable>()
            where TData : struct, IStoredFloat where TTable : struct, IStoredFloat
        {
            Work<T, TData, TTable> work = new(in pass);
            CpuParallel.For(work.Batches, ref work);
        }
    }

    private readonly unsafe struct Work<T, TData, TTable> : IBatchWork
        where T : struct, ISimdFloat<T>
        where TData : struct, IStoredFloat
        where TTable : struct, IStoredFloat
    {
        private readonly byte* source, target, cosines, sines;
        private readonly int* ids;
        private readonly AttentionStrides from, to;
        private readonly RotarySizes sizes;
        private readonly long heads, headsPerBatch;
        private readonly int half, offset;
        private readonly float sign;
        private readonly bool gathered, interleaved, headsInside;

        public Work(in RotaryPass pass)
        {
            RotaryInputs inputs = pass.Inputs;
            source = (byte*)pass.Source.Address;
            target = (byte*)pass.Target.Address;
            cosines = (byte*)inputs.Tables.Cosines.Address;
            sines = (byte*)inputs.Tables.Sines.Address;
            ids = inputs.PositionIds.Pointer<int>();
            from = pass.SourceStrides;
            to = pass.TargetStrides;
            sizes = inputs.Sizes;
            half = inputs.EffectiveRotaryDimension / 2;
            offset = inputs.PositionOffset;
            sign = pass.Inverse ? -1 : 1;
            gathered = inputs.Tables.MaxPositions == 0;
            interleaved = inputs.Tables.Interleaved;
            headsInside = from.Head < from.Sequence;
            heads = (long)sizes.Batch * sizes.Heads * sizes.Length;
            // Enough heads a batch that there are never more batches than an int counts.
            headsPerBatch = Math.Max(Math.Max(1, ElementsPerBatch / sizes.HeadDimension),
                (heads / int.MaxValue) + 1);
        }

        public int Batches => (int)((heads + headsPerBatch - 1) / headsPerBatch);

        public void Run(int batch)
        {
            long first = batch * headsPerBatch, last = Math.Min(heads, first + headsPerBatch);
            int inner = headsInside ? sizes.Heads : sizes.Length;
            int outer = headsInside ? sizes.Length : sizes.Heads;
            (long rest, long i) = Math.DivRem(first, inner);
            (long b, long o) = Math.DivRem(rest, outer);
            for (long n = first; n < last; n++)
            {
                (long h, long s) = headsInside ? (i, o) : (o, i);
                Head(b, h, s);
                if (++i < inner) continue;
                i = 0;
                if (++o < outer) continue;
                o = 0;
                b++;
            }
        }

        private void Head(long b, long h, long s)
        {
            long token = (b * sizes.Length) + s;
            long row = TTable.Size * half *
                (gathered ? token : ids != null ? ids[token] : offset + s);
            long x = (b * from.Batch) + (h * from.Head) + (s * from.Sequence);
            long y = (b * to.Batch) + (h * to.Head) + (s * to.Sequence);
            RotaryRow.Rotate<T, TData, TTable>(
                source + (x * TData.Size), cosines + row, sines + row, half, sizes.HeadDimension,
                interleaved, sign, target + (y * TData.Size));
        }
    }
}
