using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>output = f(input·weight1ᵀ + bias1)·weight2ᵀ + bias2.</summary>
/// <remarks>
/// Shapes: input [Rows, Width], weight1 [Hidden, Width], weight2 [OutputWidth, Hidden], output
/// [Rows, OutputWidth], preActivation [Rows, Hidden]; contiguous.
/// Work: two products (<see cref="MatMul"/>), bias and f being applied by the first to its tiles
/// of sums; more than 264 rows go in chunks of at most 528, so that the activations between the
/// products do not leave the last-level cache. A chunk has batches enough for many threads, which
/// one pass over blocks of rows would not have.
/// Memory: both weights packed once, for more than 264 rows; activations [528, Hidden] of scratch.
/// Bytes: operands once, packed weights written and read; 2·Rows·Hidden·(Width + OutputWidth)
/// operations, so bound by arithmetic from some tens of rows on. Few rows read the weights in
/// place: bound by memory.
/// Numerics: binary32; the hidden features are summed in ascending blocks.
/// Preconditions: a validated call, Float32, Float16 or BFloat16 each.
/// Source: Vaswani et al. 2017, §3.3.
/// </remarks>
internal sealed class GeluFeedForwardForwardSimd : IKernel<GeluFeedForwardForward>
{
    public bool Supports(in GeluFeedForwardForward call, out string? reason) =>
        SimdSupport.AllStorage(out reason, ("input", call.Input), ("weight1", call.Weight1),
            ("bias1", call.Bias1), ("weight2", call.Weight2), ("bias2", call.Bias2),
            ("output", call.Output), ("preActivation", call.PreActivation));

    public void Run(in GeluFeedForwardForward call) =>
        SimdDispatch.Run(new GeluFeedForwardForwardAction(call));
}

/// <summary>The forward call at one vector width.</summary>
internal readonly unsafe struct GeluFeedForwardForwardAction(GeluFeedForwardForward call)
    : ISimdAction
{
    // Up to here a product needs no packed weights in memory; see MatMul.
    private const int MostRowsOneChunk = 264;

    // Activations of so many rows by 3,072 features (6 MiB) stay in a last-level cache's share.
    private const int MostRowsOfChunk = 528;

    public void Run<T>() where T : struct, ISimdFloat<T>
    {
        if (call.Rows == 0) return;
        switch (call.Activation)
        {
            case Activation.Relu: Run<T, ReluActivation>(); break;
            case Activation.Gelu: Run<T, GeluActivation>(); break;
            case Activation.Tanh: Run<T, TanhActivation>(); break;
            case Activation.Silu: Run<T, SiluActivation>(); break;
            default: Run<T, GeluTanhActivation>(); break;
        }
    }

    private void Run<T, TActivation>()
        where T : struct, ISimdFloat<T>
        where TActivation : struct, IActivation
    {
        if (call.Rows <= MostRowsOneChunk) InPlace<T, TActivation>();
        else Packed<T, TActivation>();
    }

    private void InPlace<T, TActivation>()
        where T : struct, ISimdFloat<T>
        where TActivation : struct, IActivation
    {
        long activations = (long)call.Rows * call.Hidden;
        using HostBlock scratch =
            HostMemory.Rent((activations + BiasFloats) * sizeof(float));
        float* biases = scratch.Pointer<float>() + activations;
        BiasActivationEpilogue<TActivation> first = First<TActivation>(0, biases);
        BiasActivationEpilogue<IdentityActivation> second =
            Second(biases + FloatStorage.CopyFloats(call.Bias1));
        MatMulProblem up = Up(0, call.Rows, scratch.Address);
        MatMulProblem down = Down(0, call.Rows, scratch.Address);
        MatMul.Run<T, BiasActivationEpilogue<TActivation>>(in up, in first);
        MatMul.Run<T, BiasActivationEpilogue<IdentityActivation>>(in down, in second);
    }

    private void Packed<T, TActivation>()
        where T : struct, ISimdFloat<T>
        where TActivation : struct, IActivation
    {
        int panelWidth = MatMul.PreferredPanelVectors * T.Width;
        int chunks = (call.Rows + MostRowsOfChunk - 1) / MostRowsOfChunk;
        int chunk = (call.Rows + chunks - 1) / chunks;
        PackedMatrix layout1 = new(call.Width, call.Hidden, panelWidth);
        PackedMatrix layout2 = new(call.Hidden, call.OutputWidth, panelWidth);
        using HostBlock scratch = HostMemory.Rent(
            (layout1.Floats + layout2.Floats + (long)chunk * call.Hidden + BiasFloats) *
            sizeof(float));
        PackedMatrix weight1 = layout1.At(scratch.Pointer<float>());
        PackedMatrix weight2 = layout2.At(weight1.Data + weight1.Floats);
        nint activated = (nint)(weight2.Data + weight2.Floats);
        float* biases = (float*)activated + (long)chunk * call.Hidden;
        MatMul.PackRight(Up(0, 0, 0).B, in weight1);
        MatMul.PackRight(Down(0, 0, 0).B, in weight2);
        BiasActivationEpilogue<IdentityActivation> second =
            Second(biases + FloatStorage.CopyFloats(call.Bias1));
        for (int row = 0; row < call.Rows; row += chunk)
        {
            int rows = Math.Min(chunk, call.Rows - row);
            BiasActivationEpilogue<TActivation> first = First<TActivation>(row, biases);
            MatMulProblem up = Up(row, rows, activated), down = Down(row, rows, activated);
            MatMul.Multiply<T, BiasActivationEpilogue<TActivation>>(in up, in weight1, in first);
            MatMul.Multiply<T, BiasActivationEpilogue<IdentityActivation>>(
                in down, in weight2, in second);
        }
    }

    /// <summary>activated [rows, Hidden] = f(input·weight1ᵀ + bias1) from a row on.</summary>
    private MatMulProblem Up(int row, int rows, nint activated) => new()
    {
        A = new MatrixView(call.Input, call.Width).From(row, 0),
        B = new(call.Weight1, call.Width, transposed: true),
        C = activated,
        CStride = call.Hidden,
        Rows = rows,
        Columns = call.Hidden,
        Depth = call.Width,
    };

    /// <summary>output = activated·weight2ᵀ + bias2 from a row on.</summary>
    private MatMulProblem Down(int row, int rows, nint activated) => new()
    {
        A = new((float*)activated, call.Hidden),
        B = new(call.Weight2, call.Hidden, transposed: true),
        C = (nint)new MatrixView(call.Output, call.OutputWidth).At(row, 0),
        CType = call.Output.DType,
        CStride = call.OutputWidth,
        Rows = rows,
        Columns = call.OutputWidth,
        Depth = call.Hidden,
    };

    private BiasActivationEpilogue<TActivation> First<TActivation>(int row, float* copy)
        where TActivation : struct, IActivation => new(
            FloatStorage.Single(call.Bias1, copy),
            new StoredMatrix(call.PreActivation, call.Hidden).From(row));

    private BiasActivationEpilogue<IdentityActivation> Second(float* copy) =>
        new(FloatStorage.Single(call.Bias2, copy), default);

    /// <summary>Floats for copies of both biases where they are not binary32.</summary>
    private long BiasFloats =>
        FloatStorage.CopyFloats(call.Bias1) + FloatStorage.CopyFloats(call.Bias2);
}
