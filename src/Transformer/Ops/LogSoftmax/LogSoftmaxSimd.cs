using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>output[o, l, i] = (x[o, l, i] − m) − ln Σₖ exp(x[o, k, i] − m), m the line's maximum.
/// </summary>
/// <remarks>
/// Shapes: input and output [Outer, Length, Inner], contiguous; a line is one o and i.
/// Work: as <see cref="SoftmaxForwardSimd"/>: the passes are the same, in Softmax/SoftmaxLines.cs
/// and SoftmaxPanels.cs.
/// Registers: four maxima, two sums; panels keep theirs in L1.
/// Bytes: a line is read for its maximum, for its sum and for the output, which is written once;
/// from memory once each way while it fits L2. One exponential for 8 bytes.
/// Numerics: binary32; maximum and logarithm are subtracted one after the other, so that large
/// inputs keep the digits of their differences. NaN, +∞ or nothing but −∞ in a line makes all of it
/// NaN, by ∞ − ∞.
/// Preconditions: a validated call; buffers of 16 bits come widened from RowKernel; output may be
/// the input.
/// Source: the definition; LogSoftmax of ai.onnx, opset 13.
/// </remarks>
internal sealed unsafe class LogSoftmaxForwardSimd
    : RowKernel<LogSoftmaxForward, LogSoftmaxForwardRows>
{
    public override void Run(in LogSoftmaxForward call)
    {
        bool single = call.Input.DType == DType.Float32 && call.Output.DType == DType.Float32;
        if (single || call.Inner == 1) base.Run(in call);
        else SimdDispatch.Run(new SoftmaxPanelsStored<LogProbabilities>(
            call.Input, call.Outer, call.Length, call.Inner, call.Output));
    }

    protected override void RunSingle(in LogSoftmaxForward call) =>
        SimdDispatch.Run(new SoftmaxAction<LogProbabilities>(
            call.Input.Pointer<float>(), call.Outer, call.Length, call.Inner,
            call.Output.Pointer<float>()));
}

/// <summary>Rows of <see cref="LogSoftmaxForward"/>.</summary>
internal readonly struct LogSoftmaxForwardRows : IRowCall<LogSoftmaxForward>
{
    public static int MostRows => RowBatches.RowsPerBatch;

    public static long Rows(in LogSoftmaxForward call) => call.Outer;

    public static LogSoftmaxForward Part(
        in LogSoftmaxForward call, ref RowStage stage) => call with
    {
        Outer = stage.Count,
        Input = stage.Read("input", call.Input),
        Output = stage.Write("output", call.Output),
    };
}
