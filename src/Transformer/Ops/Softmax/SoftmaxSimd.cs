using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>output[o, l, i] = exp(x[o, l, i] − m) / Σₖ exp(x[o, k, i] − m), m the line's maximum.
/// </summary>
/// <remarks>
/// Shapes: input and output [Outer, Length, Inner], contiguous; a line is one o and i.
/// Work: the last axis: a batch is 16 lines, a line belongs to one thread. Other axes: a batch is
/// a panel of 64 neighbouring lines, whose rows of 64 floats are read in order of memory.
/// Registers: four maxima, two sums; panels keep theirs in L1.
/// Bytes: a line is read for its maximum, read and written as exponentials, read and written
/// scaled; from memory once each way while it fits L2. One exponential for 8 bytes.
/// Numerics: binary32. Exponents are never positive; terms below e^−87 are 0. NaN, +∞ or nothing
/// but −∞ in a line makes all of it NaN, by ∞ − ∞.
/// Preconditions: a validated call; buffers of 16 bits come widened from RowKernel; output may be
/// the input.
/// Source: the definition; Softmax of ai.onnx, opset 13.
/// </remarks>
internal sealed unsafe class SoftmaxForwardSimd
    : RowKernel<SoftmaxForward, SoftmaxForwardRows>
{
    public override void Run(in SoftmaxForward call)
    {
        bool single = call.Input.DType == DType.Float32 && call.Output.DType == DType.Float32;
        if (single || call.Inner == 1) base.Run(in call);
        else SimdDispatch.Run(new SoftmaxPanelsStored<Probabilities>(
            call.Input, call.Outer, call.Length, call.Inner, call.Output));
    }

    protected override void RunSingle(in SoftmaxForward call) =>
        SimdDispatch.Run(new SoftmaxAction<Probabilities>(
            call.Input.Pointer<float>(), call.Outer, call.Length, call.Inner,
            call.Output.Pointer<float>()));
}

/// <summary>What becomes of a line: a type, so that kernels are compiled for each.</summary>
internal interface ISoftmaxForm
{
    /// <summary>ln softmax instead of softmax.</summary>
    static abstract bool IsLogarithm { get; }
}

/// <summary>exp(x − m) / Σ.</summary>
internal readonly struct Probabilities : ISoftmaxForm
{
    public static bool IsLogarithm => false;
}

/// <summary>x − m − ln Σ.</summary>
internal readonly struct LogProbabilities : ISoftmaxForm
{
    public static bool IsLogarithm => true;
}

/// <summary>Softmax or its logarithm at one vector width.</summary>
internal readonly unsafe struct SoftmaxAction<TForm>(
    float* input, int outer, int length, int inner, float* output) : ISimdAction
    where TForm : struct, ISoftmaxForm
{
    public void Run<T>() where T : struct, ISimdFloat<T>
    {
        if (length == 0 || inner == 0) return;
        if (inner == 1)
        {
            SoftmaxLines<T, TForm> lines = new(input, outer, length, output);
            CpuParallel.For(RowBatches.Count(outer), ref lines);
            return;
        }

        SoftmaxPanels<T, TForm> panels = new(input, outer, length, inner, output);
        CpuParallel.For(panels.Count, ref panels);
    }
}

/// <summary>Rows of <see cref="SoftmaxForward"/>.</summary>
internal readonly struct SoftmaxForwardRows : IRowCall<SoftmaxForward>
{
    public static int MostRows => RowBatches.RowsPerBatch;

    public static long Rows(in SoftmaxForward call) => call.Outer;

    public static SoftmaxForward Part(
        in SoftmaxForward call, ref RowStage stage) => call with
    {
        Outer = stage.Count,
        Input = stage.Read("input", call.Input),
        Output = stage.Write("output", call.Output),
    };
}
