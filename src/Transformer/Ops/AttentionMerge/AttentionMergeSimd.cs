using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>output = Σ exp(Lᵢ − L)·outputᵢ, the parts of a row summed in order.</summary>
/// <remarks>
/// Shapes: as <see cref="AttentionMergeForward"/>.
/// Work: a batch is 16 rows; a row is cut into runs of 256 elements, each part's run widened to
/// floats and added to a run of sums.
/// Registers: one vector of sums; scratch of 512 floats on the stack.
/// Bytes: every part once; 2 operations an element: bound by memory.
/// Numerics: binary32; a part with Lᵢ = −∞ is skipped and may hold NaN.
/// Preconditions: a validated call; outputs Float32, Float16 or BFloat16, log-sum-exps Float32.
/// Source: Milakov, Gimelshein 2018.
/// </remarks>
internal sealed class AttentionMergeSimd : IKernel<AttentionMergeForward>
{
    /// <inheritdoc/>
    public bool Supports(in AttentionMergeForward call, out string? reason)
    {
        reason = SimdSupport.Storage("outputs", call.Outputs) ??
            SimdSupport.Storage("output", call.Output) ??
            SimdSupport.Float32("logSumExps", call.LogSumExps) ??
            SimdSupport.Float32("logSumExp", call.LogSumExp);
        return reason is null;
    }

    /// <inheritdoc/>
    public void Run(in AttentionMergeForward call) =>
        SimdDispatch.Run(new AttentionMergeAction(call));
}

/// <summary>The call at one vector width.</summary>
internal readonly unsafe struct AttentionMergeAction(AttentionMergeForward call) : ISimdAction
{
    private const int RowsPerBatch = 16;
    private const int Chunk = 256;

    public void Run<T>() where T : struct, ISimdFloat<T>
    {
        Work<T> work = new(call);
        CpuParallel.For(
            checked((int)((call.Rows + RowsPerBatch - 1) / RowsPerBatch)), ref work);
    }

    private readonly struct Work<T>(AttentionMergeForward call) : IBatchWork
        where T : struct, ISimdFloat<T>
    {
        public void Run(int batch)
        {
            float* scratch = stackalloc float[2 * Chunk];
            long end = Math.Min(call.Rows, (batch + 1L) * RowsPerBatch);
            for (long row = (long)batch * RowsPerBatch; row < end; row++) Join(row, scratch);
        }

        private void Join(long row, float* scratch)
        {
            float* logSumExps = call.LogSumExps.Pointer<float>() + row;
            float maximum = float.NegativeInfinity;
            for (int part = 0; part < call.Parts; part++)
            {
                maximum = Math.Max(maximum, logSumExps[part * call.Rows]);
            }

            float total = 0;
            for (int part = 0; part < call.Parts; part++)
            {
                float logSumExp = logSumExps[part * call.Rows];
                if (!float.IsNegativeInfinity(logSumExp)) total += MathF.Exp(logSumExp - maximum);
            }

            float scale = total == 0 ? 0 : 1 / total;
            for (int column = 0; column < call.Dimension; column += Chunk)
            {
                int count = Math.Min(Chunk, call.Dimension - column);
                JoinRun((row * call.Dimension) + column, count, logSumExps, maximum, scale,
                    scratch);
            }

            if (call.LogSumExp.IsAbsent) return;
            call.LogSumExp.Pointer<float>()[row] =
                total == 0 ? float.NegativeInfinity : maximum + MathF.Log(total);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void JoinRun(
            long at, int count, float* logSumExps, float maximum, float scale, float* scratch)
        {
            float* sums = scratch, values = scratch + Chunk;
            new Span<float>(scratch, 2 * Chunk).Clear();
            int outputSize = call.Outputs.DType.Size();
            for (int part = 0; part < call.Parts; part++)
            {
                float logSumExp = logSumExps[part * call.Rows];
                if (float.IsNegativeInfinity(logSumExp)) continue;
                T weight = T.Broadcast(MathF.Exp(logSumExp - maximum) * scale);
                long from = (part * call.Rows * call.Dimension) + at;
                FloatStorage.Widen(call.Outputs.DType,
                    (byte*)call.Outputs.Address + (from * outputSize), values, count);
                for (int j = 0; j < count; j += T.Width)
                {
                    T sum = T.MultiplyAdd(weight, T.Load(values + j), T.Load(sums + j));
                    T.Store(sum, sums + j);
                }
            }

            FloatStorage.Narrow(call.Output.DType, sums,
                (byte*)call.Output.Address + (at * call.Output.DType.Size()), count);
        }
    }
}
