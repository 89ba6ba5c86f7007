using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Back through the steps of long short-term memory, then the parameters' gradients of all
/// steps at once; see <see cref="LstmBackward"/> for the formula.</summary>
/// <remarks>
/// Shapes: as in the forward kernel.
/// Work: a step is one pass over the gates, of which a batch is rows of about 2,048 elements, and
/// one product with the recurrent weight; the four gradients are <see cref="LinearProducts"/>.
/// Memory: dz [Batch, Length, 4·Hidden], output[t − 1] [Batch, Length, Hidden], two states; the
/// recurrent weight packed once; binary32 copies of what 16 bits store.
/// Bytes: every step reads the packed weight, 16·Hidden² bytes for 8·Batch·Hidden² operations; the
/// gradients of the weights read dz once each.
/// Numerics: binary32; parameter gradients are added to what their buffers hold; tanh′ of the cell
/// comes without cancelling.
/// Preconditions: a validated call, Float32, Float16 or BFloat16 each.
/// Source: the chain rule.
/// </remarks>
internal sealed class LstmBackwardSimd : IKernel<LstmBackward>
{
    public bool Supports(in LstmBackward call, out string? reason) => SimdSupport.AllStorage(
        out reason, ("input", call.Input), ("inputWeight", call.InputWeight),
        ("recurrentWeight", call.RecurrentWeight), ("initialHidden", call.InitialHidden),
        ("initialCell", call.InitialCell), ("output", call.Output), ("gates", call.Gates),
        ("cells", call.Cells), ("outputGradient", call.OutputGradient),
        ("inputGradient", call.InputGradient),
        ("inputWeightGradient", call.InputWeightGradient),
        ("recurrentWeightGradient", call.RecurrentWeightGradient),
        ("biasGradient", call.BiasGradient),
        ("initialHiddenGradient", call.InitialHiddenGradient),
        ("initialCellGradient", call.InitialCellGradient));

    public void Run(in LstmBackward call) => SimdDispatch.Run(new LstmBackwardAction(call));
}

/// <summary>The backward call at one vector width.</summary>
internal readonly unsafe struct LstmBackwardAction(LstmBackward call) : ISimdAction
{
    public void Run<T>() where T : struct, ISimdFloat<T>
    {
        if (call.Batch == 0) return;
        int rows = checked(call.Batch * call.Length), gateRows = 4 * call.Hidden;
        long states = (long)rows * call.Hidden, state = (long)call.Batch * call.Hidden;
        using HostBlock scratch = HostMemory.Rent(((5 * states) + (2 * state)) * sizeof(float));
        BufferView gradient = BufferView.Of(scratch.Pointer<float>(), 4 * states);
        BufferView before = BufferView.Of(scratch.Pointer<float>() + (4 * states), states);
        float* hidden = before.Pointer<float>() + states, cell = hidden + state;
        new Span<float>(hidden, checked((int)(2 * state))).Clear();
        Steps<T>(gradient.Pointer<float>(), hidden, cell);
        Narrow(call.InitialHiddenGradient, hidden);
        Narrow(call.InitialCellGradient, cell);
        if (call.InputGradient.IsPresent)
        {
            LinearProducts.InputGradient<T, NoEpilogue>(gradient, call.InputWeight, rows,
                call.InputFeatures, gateRows, call.InputGradient, default);
        }

        if (call.InputWeightGradient.IsPresent)
        {
            LinearProducts.WeightGradient<T>(gradient, call.Input, rows, call.InputFeatures,
                gateRows, call.InputWeightGradient);
        }

        if (call.RecurrentWeightGradient.IsPresent)
        {
            Shift(before.Pointer<float>());
            LinearProducts.WeightGradient<T>(
                gradient, before, rows, call.Hidden, gateRows, call.RecurrentWeightGradient);
        }

        if (call.BiasGradient.IsPresent)
            ColumnSums.Add<T>(gradient, rows, gateRows, call.BiasGradient);
    }

    /// <summary>gradient = dz of every step; the states' gradients end as the initial ones'.
    /// </summary>
    private void Steps<T>(float* gradient, float* hidden, float* cell)
        where T : struct, ISimdFloat<T>
    {
        int width = call.Hidden, gateRows = 4 * width;
        long gateFloats = FloatStorage.CopyFloats(call.Gates);
        long cellFloats = FloatStorage.CopyFloats(call.Cells);
        long outputFloats = FloatStorage.CopyFloats(call.OutputGradient);
        using HostBlock copies = HostMemory.Rent((gateFloats + cellFloats + outputFloats +
            FloatStorage.CopyFloats(call.InitialCell)) * sizeof(float));
        float* copy = copies.Pointer<float>();
        float* gates = FloatStorage.Single(call.Gates, copy);
        float* cells = FloatStorage.Single(call.Cells, copy += gateFloats);
        float* outputs = FloatStorage.Single(call.OutputGradient, copy += cellFloats);
        float* initial = FloatStorage.Single(call.InitialCell, copy + outputFloats);
        LstmSteps steps = new(call.Batch, call.Length, width);
        using LstmProduct product = new(new(call.RecurrentWeight, width), call.Batch, gateRows,
            width, MatMul.PreferredPanelVectors * T.Width);
        for (int step = call.Length - 1; step >= 0; step--)
        {
            nint at = (nint)step * width;
            LstmGateGradient<T> work = new(steps, gates + (4 * at), cells + at,
                steps.Before(cells, initial, step), outputs + at, hidden, cell,
                gradient + (4 * at));
            CpuParallel.For(steps.Batches, ref work);
            if (step == 0 && call.InitialHiddenGradient.IsAbsent) continue;
            product.Set<T>(
                new(gradient + (4 * at), (nint)call.Length * gateRows), hidden, width);
        }
    }

    /// <summary>before[t] = output[t − 1].</summary>
    private void Shift(float* before)
    {
        BufferView output = call.Output, initial = call.InitialHidden;
        int width = call.Hidden, later = checked((call.Length - 1) * width);
        for (int row = 0; row < call.Batch && call.Length > 0; row++)
        {
            long at = (long)row * call.Length * width;
            float* first = before + at;
            if (initial.IsAbsent) new Span<float>(first, width).Clear();
            else FloatStorage.Widen(initial.DType, At(initial, (long)row * width), first, width);
            FloatStorage.Widen(output.DType, At(output, at), first + width, later);
        }
    }

    private static void* At(BufferView view, long index) =>
        (void*)(view.Address + (nint)(index * view.DType.Size()));

    private static void Narrow(BufferView view, float* values)
    {
        if (view.IsPresent)
            FloatStorage.Narrow(view.DType, values, (void*)view.Address, (int)view.Length);
    }
}

/// <summary>One step's dz, and the gradient of the cells before it.</summary>
/// <remarks>
/// Shapes: gates and gradient [batch, 4·width], Length·4·width from one row to the next; cells and
/// outputs [batch, width], Length·width apart; hidden and cell [batch, width], contiguous.
/// Work: a batch is rows of about 2,048 elements.
/// Bytes: 52 an element for some 40 operations, out of the first-level caches where few rows are.
/// Numerics: binary32.
/// Preconditions: binary32; hidden is dz[t + 1]·recurrentWeight, cell is dc[t + 1] ⊙ f[t + 1].
/// Source: the chain rule.
/// </remarks>
internal readonly unsafe struct LstmGateGradient<T>(
    LstmSteps steps, float* gates, float* cells, MatrixView before, float* outputs,
    float* hidden, float* cell, float* gradient) : IBatchWork
    where T : struct, ISimdFloat<T>
{
    public void Run(int batch)
    {
        (int first, int end) = steps.Rows(batch);
        for (int row = first; row < end; row++)
            Row(row);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Row(int row)
    {
        nint width = steps.Width, at = row * width * steps.Length, state = row * width;
        float* earlier = before.Data == null ? null : before.Floats(row, 0);
        T one = T.Broadcast(1);
        for (nint j = 0; j < width; j += T.Width)
        {
            nint count = width - j;
            float* z = gates + (4 * at) + j, dz = gradient + (4 * at) + j;
            T i = SimdTail.Load<T>(z, count), f = SimdTail.Load<T>(z + width, count);
            T g = SimdTail.Load<T>(z + (2 * width), count);
            T o = SimdTail.Load<T>(z + (3 * width), count);
            T slope = SimdMath.TanhDerivative(
                SimdTail.Load<T>(cells + at + j, count), out T squashed);
            T dh = SimdTail.Load<T>(outputs + at + j, count) +
                SimdTail.Load<T>(hidden + state + j, count);
            T dc = T.MultiplyAdd(dh * o, slope, SimdTail.Load<T>(cell + state + j, count));
            T kept = earlier == null ? T.Zero : SimdTail.Load<T>(earlier + j, count);
            SimdTail.Store(dc * g * (i * (one - i)), dz, count);
            SimdTail.Store(dc * kept * (f * (one - f)), dz + width, count);
            SimdTail.Store(dc * i * ((one - g) * (one + g)), dz + (2 * width), count);
            SimdTail.Store(dh * squashed * (o * (one - o)), dz + (3 * width), count);
            SimdTail.Store(dc * f, cell + state + j, count);
        }
    }
}
