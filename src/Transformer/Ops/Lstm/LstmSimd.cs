using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Long short-term memory: the input products of all steps at once, then the steps, each a
/// product with the recurrent weight and one pass over the gates.</summary>
/// <remarks>
/// Shapes: input [Batch, Length, InputFeatures], inputWeight [4·Hidden, InputFeatures],
/// recurrentWeight [4·Hidden, Hidden], bias [4·Hidden], states [Batch, Hidden], output and cells
/// [Batch, Length, Hidden], gates [Batch, Length, 4·Hidden]; contiguous.
/// Work: the products are <see cref="MatMul"/>, which splits one step's columns among the threads;
/// for the gates a batch is rows of about 2,048 elements.
/// Memory: gates and cells where the call does not keep them; the recurrent weight packed once
/// where <see cref="MatVec"/> does not read it in place; binary32 copies of what 16 bits store.
/// Bytes: every step reads the recurrent weight, 16·Hidden² bytes for 8·Batch·Hidden² operations:
/// up to some eight sequences bound by the level of cache that holds it.
/// Numerics: binary32, states and gates included; 16-bit results are rounded once, at the end.
/// Preconditions: a validated call, Float32, Float16 or BFloat16 each.
/// </remarks>
internal sealed class LstmForwardSimd : IKernel<LstmForward>
{
    public bool Supports(in LstmForward call, out string? reason) => SimdSupport.AllStorage(
        out reason, ("input", call.Input), ("inputWeight", call.InputWeight),
        ("recurrentWeight", call.RecurrentWeight), ("bias", call.Bias),
        ("initialHidden", call.InitialHidden), ("initialCell", call.InitialCell),
        ("output", call.Output), ("gates", call.Gates), ("cells", call.Cells));

    public void Run(in LstmForward call) => SimdDispatch.Run(new LstmForwardAction(call));
}

/// <summary>The forward call at one vector width.</summary>
internal readonly unsafe struct LstmForwardAction(LstmForward call) : ISimdAction
{
    public void Run<T>() where T : struct, ISimdFloat<T>
    {
        int rows = checked(call.Batch * call.Length), width = call.Hidden, gateRows = 4 * width;
        if (rows == 0) return;
        long states = (long)rows * width;
        using HostBlock gateBlock = Wide(call.Gates, 4 * states);
        using HostBlock cellBlock = Wide(call.Cells, states);
        using HostBlock outputBlock = Wide(call.Output, states);
        float* gates = At(call.Gates, in gateBlock), cells = At(call.Cells, in cellBlock);
        float* output = At(call.Output, in outputBlock);
        using HostBlock biasBlock = Copy(call.Bias);
        using HostBlock hiddenBlock = Copy(call.InitialHidden);
        using HostBlock initialBlock = Copy(call.InitialCell);
        BiasActivationEpilogue<IdentityActivation> bias = new(
            FloatStorage.Single(call.Bias, biasBlock.Pointer<float>()), default);
        MatMul.Run<T, BiasActivationEpilogue<IdentityActivation>>(
            new MatMulProblem
            {
                A = new(call.Input, call.InputFeatures),
                B = new(call.InputWeight, call.InputFeatures, transposed: true),
                C = (nint)gates,
                CStride = gateRows,
                Rows = rows,
                Columns = gateRows,
                Depth = call.InputFeatures,
            },
            in bias);
        LstmSteps steps = new(call.Batch, call.Length, width);
        using LstmProduct product = new(new(call.RecurrentWeight, width, transposed: true),
            call.Batch, width, gateRows, MatMul.PreferredPanelVectors * T.Width);
        float* hidden = FloatStorage.Single(call.InitialHidden, hiddenBlock.Pointer<float>());
        float* cell = FloatStorage.Single(call.InitialCell, initialBlock.Pointer<float>());
        for (int step = 0; step < call.Length; step++)
        {
            MatrixView before = steps.Before(output, hidden, step);
            float* target = gates + ((nint)step * gateRows);
            if (before.Data != null)
                product.Add<T>(in before, target, (nint)call.Length * gateRows);
            LstmGates<T> work = new(steps, target, steps.Before(cells, cell, step),
                cells + ((nint)step * width), output + ((nint)step * width));
            CpuParallel.For(steps.Batches, ref work);
        }

        Narrow(call.Gates, gates);
        Narrow(call.Cells, cells);
        Narrow(call.Output, output);
    }

    /// <summary>Memory for a result that is not kept, or not in binary32.</summary>
    private static HostBlock Wide(BufferView view, long length) =>
        IsDirect(view) ? default : HostMemory.Rent(length * sizeof(float));

    private static float* At(BufferView view, in HostBlock block) =>
        IsDirect(view) ? view.Pointer<float>() : block.Pointer<float>();

    private static HostBlock Copy(BufferView view) =>
        HostMemory.Rent(FloatStorage.CopyFloats(view) * sizeof(float));

    private static void Narrow(BufferView view, float* values)
    {
        if (view.IsAbsent || IsDirect(view)) return;
        FloatStorage.Narrow(view.DType, values, (void*)view.Address, checked((int)view.Length));
    }

    private static bool IsDirect(BufferView view) =>
        view.IsPresent && view.DType == DType.Float32;
}

/// <summary>How the rows of a step lie, and how they are cut into batches.</summary>
internal readonly unsafe struct LstmSteps(int batch, int length, int width)
{
    private const int BatchElements = 2048;

    private readonly int rowsPerBatch = Math.Max(1, BatchElements / width);

    /// <summary>Width of the state.</summary>
    public int Width => width;

    /// <summary>Rows from one sequence to the next.</summary>
    public int Length => length;

    /// <summary>Batches of one step.</summary>
    public int Batches => (batch + rowsPerBatch - 1) / rowsPerBatch;

    /// <summary>The sequences of a batch.</summary>
    public (int First, int End) Rows(int index) =>
        (index * rowsPerBatch, Math.Min(batch, (index + 1) * rowsPerBatch));

    /// <summary>The states [batch, width] before a step; without data where they are 0.</summary>
    /// <param name="states">[batch, length, width].</param>
    /// <param name="initial">[batch, width]; may be null.</param>
    /// <param name="step">From 0 on.</param>
    public MatrixView Before(float* states, float* initial, int step) => step == 0
        ? new(initial, width) : new(states + ((nint)(step - 1) * width), (nint)length * width);
}

/// <summary>The same right operand times each step's rows: packed once, unless it is read in place.
/// </summary>
internal readonly unsafe struct LstmProduct : IDisposable
{
    private readonly MatMulProblem problem;
    private readonly HostBlock scratch;
    private readonly PackedMatrix packed;

    /// <summary>Packs the operand.</summary>
    public LstmProduct(in MatrixView right, int rows, int depth, int columns, int panelWidth)
    {
        problem = new()
        {
            A = default, B = right, C = 0, CStride = 0, Rows = rows, Columns = columns,
            Depth = depth,
        };
        packed = new(depth, columns, panelWidth);
        if (MatVec.Suits(in problem, MatMul.PreferredPanelVectors)) return;
        scratch = HostMemory.Rent(packed.Floats * sizeof(float));
        packed = packed.At(scratch.Pointer<float>());
        MatMul.PackRight(in right, in packed);
    }

    /// <summary>target [rows, columns] += left·right.</summary>
    public void Add<T>(in MatrixView left, float* target, nint stride)
        where T : struct, ISimdFloat<T> => Run<T>(in left, target, stride, accumulate: true);

    /// <summary>target [rows, columns] = left·right.</summary>
    public void Set<T>(in MatrixView left, float* target, nint stride)
        where T : struct, ISimdFloat<T> => Run<T>(in left, target, stride, accumulate: false);

    /// <inheritdoc/>
    public void Dispose() => scratch.Dispose();

    private void Run<T>(in MatrixView left, float* target, nint stride, bool accumulate)
        where T : struct, ISimdFloat<T>
    {
        MatMulProblem step = problem with
        {
            A = left, C = (nint)target, CStride = stride, Accumulate = accumulate,
        };
        NoEpilogue none = default;
        if (packed.Data == null) MatMul.Run<T, NoEpilogue>(in step, in none);
        else MatMul.Multiply<T, NoEpilogue>(in step, in packed, in none);
    }
}

/// <summary>One step's gates, cells and outputs from its sums, which become the gates.</summary>
/// <param name="steps">How rows lie.</param>
/// <param name="gates">[batch, 4·width], Length·4·width from one row to the next.</param>
/// <param name="before">The cells before; without data where they are 0.</param>
/// <param name="cells">[batch, width], Length·width from one row to the next.</param>
/// <param name="output">As cells.</param>
internal readonly unsafe struct LstmGates<T>(
    LstmSteps steps, float* gates, MatrixView before, float* cells, float* output) : IBatchWork
    where T : struct, ISimdFloat<T>
{
    public void Run(int batch)
    {
        (int first, int end) = steps.Rows(batch);
        for (int row = first; row < end; row++)
        {
            nint at = (nint)row * steps.Length * steps.Width;
            float* cell = before.Data == null ? null : before.Floats(row, 0);
            Row(gates + (4 * at), cell, cells + at, output + at, steps.Width);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Row(float* gates, float* before, float* cells, float* output, int width)
    {
        for (int j = 0; j < width; j += T.Width)
        {
            int count = width - j;
            float* z = gates + j;
            T i = SimdMath.Sigmoid(SimdTail.Load<T>(z, count), out _);
            T f = SimdMath.Sigmoid(SimdTail.Load<T>(z + width, count), out _);
            T g = SimdMath.Tanh(SimdTail.Load<T>(z + (2 * (nint)width), count));
            T o = SimdMath.Sigmoid(SimdTail.Load<T>(z + (3 * (nint)width), count), out _);
            T cell = i * g;
            if (before != null)
                cell = T.MultiplyAdd(f, SimdTail.Load<T>(before + j, count), cell);
            SimdTail.Store(i, z, count);
            SimdTail.Store(f, z + width, count);
            SimdTail.Store(g, z + (2 * (nint)width), count);
            SimdTail.Store(o, z + (3 * (nint)width), count);
            SimdTail.Store(cell, cells + j, count);
            SimdTail.Store(o * SimdMath.Tanh(cell), output + j, count);
        }
    }
}
