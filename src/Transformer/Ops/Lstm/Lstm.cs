using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Sizes of a layer of long short-term memory.</summary>
/// <param name="Batch">Sequences.</param>
/// <param name="Length">Steps of each.</param>
/// <param name="InputFeatures">Width of the input.</param>
/// <param name="Hidden">Width of the state and of the output.</param>
public readonly record struct LstmSizes(int Batch, int Length, int InputFeatures, int Hidden);

/// <summary>Parameters of a layer, or their gradients; the rows are the gates i, f, g, o.</summary>
/// <typeparam name="T">float, Half or BFloat16.</typeparam>
public readonly ref struct LstmParameters<T> where T : unmanaged
{
    /// <summary>[4·Hidden, InputFeatures].</summary>
    public ReadOnlySpan<T> InputWeight { get; init; }

    /// <summary>[4·Hidden, Hidden].</summary>
    public ReadOnlySpan<T> RecurrentWeight { get; init; }

    /// <summary>[4·Hidden], the sum of PyTorch's two; may be empty.</summary>
    public ReadOnlySpan<T> Bias { get; init; }
}

/// <summary>The state before the first step.</summary>
/// <typeparam name="T">float, Half or BFloat16.</typeparam>
public readonly ref struct LstmState<T> where T : unmanaged
{
    /// <summary>[Batch, Hidden]; empty: 0.</summary>
    public ReadOnlySpan<T> Hidden { get; init; }

    /// <summary>[Batch, Hidden]; empty: 0.</summary>
    public ReadOnlySpan<T> Cell { get; init; }
}

/// <summary>What the forward pass writes and the backward pass reads.</summary>
/// <typeparam name="T">float, Half or BFloat16.</typeparam>
public readonly ref struct LstmResults<T> where T : unmanaged
{
    /// <summary>[Batch, Length, Hidden].</summary>
    public Span<T> Output { get; init; }

    /// <summary>[Batch, Length, 4·Hidden]; may be empty in the forward pass.</summary>
    public Span<T> Gates { get; init; }

    /// <summary>[Batch, Length, Hidden]; may be empty in the forward pass.</summary>
    public Span<T> Cells { get; init; }
}

/// <summary>Gradients; each may be empty.</summary>
/// <typeparam name="T">float, Half or BFloat16.</typeparam>
public readonly ref struct LstmGradients<T> where T : unmanaged
{
    /// <summary>[Batch, Length, InputFeatures], overwritten.</summary>
    public Span<T> Input { get; init; }

    /// <summary>[4·Hidden, InputFeatures], added to.</summary>
    public Span<T> InputWeight { get; init; }

    /// <summary>[4·Hidden, Hidden], added to.</summary>
    public Span<T> RecurrentWeight { get; init; }

    /// <summary>[4·Hidden], added to.</summary>
    public Span<T> Bias { get; init; }

    /// <summary>[Batch, Hidden], overwritten.</summary>
    public Span<T> InitialHidden { get; init; }

    /// <summary>[Batch, Hidden], overwritten.</summary>
    public Span<T> InitialCell { get; init; }
}

/// <summary>A recurrent layer of long short-term memory, on spans.</summary>
/// <remarks>Where a span may be empty, empty means absent. Safe to call from many threads;
/// allocates nothing.</remarks>
public static unsafe class Lstm
{
    /// <summary>Runs all steps; see <see cref="LstmForward"/> for the formula.</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="input">[Batch, Length, InputFeatures].</param>
    /// <param name="parameters">Weights and bias.</param>
    /// <param name="initial">The state before the first step.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="results">Output, and what the backward pass needs.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward<T>(
        ReadOnlySpan<T> input, in LstmParameters<T> parameters, in LstmState<T> initial,
        in LstmSizes sizes, in LstmResults<T> results, Backend? backend = null)
        where T : unmanaged
    {
        fixed (T* x = input, w = parameters.InputWeight, u = parameters.RecurrentWeight,
            b = parameters.Bias, h = initial.Hidden, c = initial.Cell, y = results.Output,
            gates = results.Gates, cells = results.Cells)
        {
            SpanEntry.Run(backend, new LstmForward
            {
                Input = BufferView.Of(x, input.Length),
                InputWeight = BufferView.Of(w, parameters.InputWeight.Length),
                RecurrentWeight = BufferView.Of(u, parameters.RecurrentWeight.Length),
                Bias = BufferView.Of(b, parameters.Bias.Length),
                InitialHidden = BufferView.Of(h, initial.Hidden.Length),
                InitialCell = BufferView.Of(c, initial.Cell.Length),
                Output = BufferView.Of(y, results.Output.Length),
                Gates = BufferView.Of(gates, results.Gates.Length),
                Cells = BufferView.Of(cells, results.Cells.Length),
                Batch = sizes.Batch,
                Length = sizes.Length,
                InputFeatures = sizes.InputFeatures,
                Hidden = sizes.Hidden,
            });
        }
    }

    /// <summary>Gradients of the forward call; see <see cref="LstmBackward"/> for the formula.
    /// </summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="input">[Batch, Length, InputFeatures].</param>
    /// <param name="parameters">Weights; the bias is not read.</param>
    /// <param name="initial">The state before the first step.</param>
    /// <param name="results">All that the forward call wrote.</param>
    /// <param name="outputGradient">[Batch, Length, Hidden].</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="gradients">Written.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Backward<T>(
        ReadOnlySpan<T> input, in LstmParameters<T> parameters, in LstmState<T> initial,
        in LstmResults<T> results, ReadOnlySpan<T> outputGradient, in LstmSizes sizes,
        in LstmGradients<T> gradients, Backend? backend = null)
        where T : unmanaged
    {
        fixed (T* x = input, w = parameters.InputWeight, u = parameters.RecurrentWeight,
            h = initial.Hidden, c = initial.Cell, y = results.Output, gates = results.Gates,
            cells = results.Cells, dy = outputGradient, dx = gradients.Input,
            dw = gradients.InputWeight, du = gradients.RecurrentWeight, db = gradients.Bias,
            dh = gradients.InitialHidden, dc = gradients.InitialCell)
        {
            SpanEntry.Run(backend, new LstmBackward
            {
                Input = BufferView.Of(x, input.Length),
                InputWeight = BufferView.Of(w, parameters.InputWeight.Length),
                RecurrentWeight = BufferView.Of(u, parameters.RecurrentWeight.Length),
                InitialHidden = BufferView.Of(h, initial.Hidden.Length),
                InitialCell = BufferView.Of(c, initial.Cell.Length),
                Output = BufferView.Of(y, results.Output.Length),
                Gates = BufferView.Of(gates, results.Gates.Length),
                Cells = BufferView.Of(cells, results.Cells.Length),
                OutputGradient = BufferView.Of(dy, outputGradient.Length),
                InputGradient = BufferView.Of(dx, gradients.Input.Length),
                InputWeightGradient = BufferView.Of(dw, gradients.InputWeight.Length),
                RecurrentWeightGradient = BufferView.Of(du, gradients.RecurrentWeight.Length),
                BiasGradient = BufferView.Of(db, gradients.Bias.Length),
                InitialHiddenGradient = BufferView.Of(dh, gradients.InitialHidden.Length),
                InitialCellGradient = BufferView.Of(dc, gradients.InitialCell.Length),
                Batch = sizes.Batch,
                Length = sizes.Length,
                InputFeatures = sizes.InputFeatures,
                Hidden = sizes.Hidden,
            });
        }
    }
}
