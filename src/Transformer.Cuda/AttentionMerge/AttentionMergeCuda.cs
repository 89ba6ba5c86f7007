using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Cuda.FusedAttention;
using Transformer.Ops;

namespace Transformer.Cuda.AttentionMerge;

/// <summary>Launches native/AttentionMerge/attention_merge.cu.</summary>
internal sealed class AttentionMergeCuda(CudaQueue queue) : IKernel<AttentionMergeForward>
{
    private const int RowsPerBlock = 4;

    private readonly TypedKernel kernel = new(queue, "attention_merge", "attention_merge_{0}");

    public bool Supports(in AttentionMergeForward call, out string? reason)
    {
        if (!CudaTypes.Same(out reason, ("outputs", call.Outputs), ("output", call.Output)))
            return false;
        reason = AttentionSupport.Single("logSumExps", call.LogSumExps) ??
            AttentionSupport.Single("logSumExp", call.LogSumExp) ??
            AttentionSupport.Blocks(call.Rows / RowsPerBlock);
        return reason is null;
    }

    public void Run(in AttentionMergeForward call) => kernel[call.Outputs.DType].Launch(
        new((uint)((call.Rows + RowsPerBlock - 1) / RowsPerBlock), 32 * RowsPerBlock),
        new Argument
        {
            Outputs = call.Outputs.Address,
            LogSums = call.LogSumExps.Address,
            Output = call.Output.Address,
            LogSumExp = call.LogSumExp.Address,
            Rows = call.Rows,
            Parts = call.Parts,
            Width = call.Dimension,
        });

    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public nint Outputs, LogSums, Output, LogSumExp;
        public long Rows;
        public int Parts, Width;
    }
}
