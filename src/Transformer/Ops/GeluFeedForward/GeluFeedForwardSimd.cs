using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>output = f(input·weight1ᵀ + bias1)·weight2ᵀ + bias2.</summary>
/// <remarks>
/// Shapes: input [Rows, Width], weight1 [Hidden, Width], weight2 [OutputWidth, Hidden], output
/// [Rows, OutputWidth], preActivation [Rows, Hidden]; contiguous.
/// Work: a batch owns up to 96 rows. For each block of at most 256 hidden features it
/// computes activations [rows, 256] and multiplies them on at once, adding to the output.
/// Memory: both weights packed once; activations [Rows, 256] of scratch, of which a batch keeps its
/// part in the second-level cache; the whole [Rows, Hidden] is written only as preActivation.
/// Bytes: operands once, packed weights written and read; 2·Rows·Hidden·(Width + OutputWidth)
/// operations, so bound by arithmetic from some tens of rows on. Up to 16 rows run as two products
/// that read the weights in place: bound by memory.
/// Numerics: binary32; the hidden features are summed in ascending blocks.
/// Preconditions: a validated call on Float32 buffers.
/// Source: Vaswani et al. 2017, §3.3.
/// </remarks>
internal sealed class GeluFeedForwardForwardSimd : IKernel<GeluFeedForwardForward>
{
    public bool Supports(in GeluFeedForwardForward call, out string? reason) =>
        SimdSupport.AllFloat32(out reason, ("input", call.Input), ("weight1", call.Weight1),
            ("bias1", call.Bias1), ("weight2", call.Weight2), ("bias2", call.Bias2),
            ("output", call.Output), ("preActivation", call.PreActivation));

    public void Run(in GeluFeedForwardForward call) =>
        SimdDispatch.Run(new GeluFeedForwardForwardAction(call));
}

/// <summary>The forward call at one vector width.</summary>
internal readonly unsafe struct GeluFeedForwardForwardAction(GeluFeedForwardForward call)
    : ISimdAction
{
    public void Run<T>() where T : struct, ISimdFloat<T>
    {
        if (call.Rows == 0) return;
        switch (call.Activation)
        {
            case Activation.Relu: Run<T, ReluActivation>(); break;
            case Activation.Gelu: Run<T, GeluActivation>(); break;
            default: Run<T, GeluTanhActivation>(); break;
        }
    }

    private void Run<T, TActivation>()
        where T : struct, ISimdFloat<T>
        where TActivation : struct, IActivation
    {
        if (call.Rows <= MatVec.MostRows) InPlace<T, TActivation>();
        else Fused<T, TActivation>();
    }

    private void InPlace<T, TActivation>()
        where T : struct, ISimdFloat<T>
        where TActivation : struct, IActivation
    {
        using HostBlock scratch = HostMemory.Rent((long)call.Rows * call.Hidden * sizeof(float));
        BiasActivationEpilogue<TActivation> first = First<TActivation>();
        BiasActivationEpilogue<IdentityActivation> second = Second();
        MatMul.Run<T, BiasActivationEpilogue<TActivation>>(
            new MatMulProblem
            {
                A = new(call.Input.Pointer<float>(), call.Width),
                B = new(call.Weight1.Pointer<float>(), call.Width, transposed: true),
                C = scratch.Address,
                CStride = call.Hidden,
                Rows = call.Rows,
                Columns = call.Hidden,
                Depth = call.Width,
            },
            in first);
        MatMul.Run<T, BiasActivationEpilogue<IdentityActivation>>(
            new MatMulProblem
            {
                A = new(scratch.Pointer<float>(), call.Hidden),
                B = new(call.Weight2.Pointer<float>(), call.Hidden, transposed: true),
                C = call.Output.Address,
                CStride = call.OutputWidth,
                Rows = call.Rows,
                Columns = call.OutputWidth,
                Depth = call.Hidden,
            },
            in second);
    }

    private void Fused<T, TActivation>()
        where T : struct, ISimdFloat<T>
        where TActivation : struct, IActivation
    {
        int panelWidth = MatMul.PreferredPanelVectors * T.Width;
        PackedMatrix layout1 = new(call.Width, call.Hidden, panelWidth);
        PackedMatrix layout2 = new(call.Hidden, call.OutputWidth, panelWidth);
        long activations = (long)call.Rows * layout2.DepthBlock;
        using HostBlock scratch = HostMemory.Rent(
            (layout1.Floats + layout2.Floats + activations) * sizeof(float));
        PackedMatrix weight1 = layout1.At(scratch.Pointer<float>());
        PackedMatrix weight2 = layout2.At(weight1.Data + weight1.Floats);
        MatMul.PackRight(
            new(call.Weight1.Pointer<float>(), call.Width, transposed: true), in weight1);
        MatMul.PackRight(
            new(call.Weight2.Pointer<float>(), call.Hidden, transposed: true), in weight2);
        Work<T, TActivation> work = new(
            call, weight1, weight2, weight2.Data + weight2.Floats, First<TActivation>(), Second());
        CpuParallel.For(work.Batches, ref work);
    }

    private BiasActivationEpilogue<TActivation> First<TActivation>()
        where TActivation : struct, IActivation =>
        new(call.Bias1.Pointer<float>(), call.PreActivation.Pointer<float>(), call.Hidden);

    private BiasActivationEpilogue<IdentityActivation> Second() =>
        new(call.Bias2.Pointer<float>(), null, 0);

    private readonly struct Work<T, TActivation>(
        GeluFeedForwardForward call, PackedMatrix weight1, PackedMatrix weight2,
        float* activations, BiasActivationEpilogue<TActivation> first,
        BiasActivationEpilogue<IdentityActivation> second) : IBatchWork
        where T : struct, ISimdFloat<T>
        where TActivation : struct, IActivation
    {
        private readonly int rowBlock = MatMul.RowBlock(call.Rows);

        public int Batches => (call.Rows + rowBlock - 1) / rowBlock;

        public void Run(int batch)
        {
            int row = batch * rowBlock;
            int rows = Math.Min(rowBlock, call.Rows - row);
            float* input = call.Input.Pointer<float>() + (nint)row * call.Width;
            float* activated = activations + (nint)row * weight2.DepthBlock;
            LeftOperand left = LeftOperand.RowMajor(activated, weight2.DepthBlock);
            float* output = call.Output.Pointer<float>() + (nint)row * call.OutputWidth;
            BlockTarget outputBlock = new((nint)output, call.OutputWidth, row, 0, rows);
            for (int start = 0; start < call.Hidden; start += weight2.DepthBlock)
            {
                int end = Math.Min(call.Hidden, start + weight2.DepthBlock);
                BlockTarget hidden = new(
                    (nint)activated, weight2.DepthBlock, row, start, rows);
                for (int k = 0; k < call.Width; k += weight1.DepthBlock)
                {
                    LeftOperand block = LeftOperand.RowMajor(input + k, call.Width);
                    MatMulBlock.Run<T, BiasActivationEpilogue<TActivation>>(
                        in block, in weight1, k, start / weight1.PanelWidth,
                        (end + weight1.PanelWidth - 1) / weight1.PanelWidth, in hidden,
                        add: k > 0, finish: k + weight1.DepthBlock >= call.Width, in first);
                }

                MatMulBlock.Run<T, BiasActivationEpilogue<IdentityActivation>>(
                    in left, in weight2, start, 0, weight2.Panels, in outputBlock,
                    add: start > 0, finish: end == call.Hidden, in second);
            }
        }
    }
}
