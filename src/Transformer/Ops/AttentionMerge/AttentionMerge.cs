using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Joins the results of attention over parts of the keys, on spans.</summary>
/// <remarks>As <see cref="AttentionMergeForward"/>. Safe to call from many threads; allocates
/// nothing.</remarks>
public static unsafe class AttentionMerge
{
    /// <summary>output = Σ exp(Lᵢ − L)·outputᵢ with L = log Σ exp(Lᵢ).</summary>
    /// <param name="outputs">[parts, rows, dimension], what attention over each part gave.</param>
    /// <param name="logSumExps">[parts, rows], natural log-sum-exps of the same calls.</param>
    /// <param name="parts">Parts of the keys.</param>
    /// <param name="dimension">Dv: width of a row.</param>
    /// <param name="output">[rows, dimension].</param>
    /// <param name="logSumExp">[rows]; may be empty.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the others.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward<T>(
        ReadOnlySpan<T> outputs, ReadOnlySpan<float> logSumExps, int parts, int dimension,
        Span<T> output, Span<float> logSumExp = default, Backend? backend = null)
        where T : unmanaged
    {
        fixed (T* o = outputs, y = output)
        fixed (float* l = logSumExps, z = logSumExp)
        {
            SpanEntry.Run(backend, new AttentionMergeForward
            {
                Outputs = BufferView.Of(o, outputs.Length),
                LogSumExps = BufferView.Of(l, logSumExps.Length),
                Output = BufferView.Of(y, output.Length),
                LogSumExp = BufferView.Of(z, logSumExp.Length),
                Parts = parts,
                Rows = dimension > 0 ? output.Length / dimension : 0,
                Dimension = dimension,
            });
        }
    }
}
