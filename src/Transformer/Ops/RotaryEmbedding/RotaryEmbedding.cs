using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Optional inputs of a rotary embedding; <c>default</c> is positions 0, 1, … and
/// contiguous [B, H, S, D].</summary>
public readonly ref struct RotaryExtras
{
    /// <summary>[B, S]: the table row of each token.</summary>
    public ReadOnlySpan<int> PositionIds { get; init; }

    /// <summary>Without ids, token s has the position PositionOffset + s.</summary>
    public int PositionOffset { get; init; }

    /// <summary>Of the input and its gradient.</summary>
    public AttentionStrides InputStrides { get; init; }

    /// <summary>Of the output and its gradient.</summary>
    public AttentionStrides OutputStrides { get; init; }
}

/// <summary>Rotary position embedding of queries or keys, and its gradient, on spans.</summary>
/// <remarks>Su et al. 2021 (RoFormer); semantics of ai.onnx RotaryEmbedding, opset 23. Tables come
/// from <see cref="RotaryTable.Fill"/>. Safe to call from many threads; allocates nothing; results
/// do not depend on the number of threads.</remarks>
public static unsafe class RotaryEmbedding
{
    /// <summary>(output₁, output₂) = (cos·x₁ − sin·x₂, sin·x₁ + cos·x₂) for each pair of each head.
    /// </summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="input">[B, H, S, D].</param>
    /// <param name="tables">Cosines and sines, rotary dimension, layout of the pairs.</param>
    /// <param name="extras">Position ids or offset, strides.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="output">[B, H, S, D]; may be the input itself, with its strides.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or a position lies
    /// outside the tables.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward<T>(
        ReadOnlySpan<T> input, in RotaryTableSpans tables, in RotaryExtras extras,
        in RotarySizes sizes, Span<T> output, Backend? backend = null)
        where T : unmanaged
    {
        fixed (T* x = input, y = output)
        fixed (float* c = tables.Cosines, s = tables.Sines)
        fixed (int* p = extras.PositionIds)
        {
            SpanEntry.Run(backend, new RotaryEmbeddingForward
            {
                Inputs = Inputs(
                    tables.At(c, s), BufferView.Of(p, extras.PositionIds.Length), extras, sizes),
                Input = BufferView.Of(x, input.Length),
                Output = BufferView.Of(y, output.Length),
            });
        }
    }

    /// <summary>The input's gradient: the transposed rotation of the output's.</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="outputGradient">[B, H, S, D].</param>
    /// <param name="tables">Tables of the forward call.</param>
    /// <param name="extras">Positions and strides of the forward call.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="inputGradient">[B, H, S, D], overwritten; may be the output's gradient itself,
    /// with its strides.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or a position lies
    /// outside the tables.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Backward<T>(
        ReadOnlySpan<T> outputGradient, in RotaryTableSpans tables, in RotaryExtras extras,
        in RotarySizes sizes, Span<T> inputGradient, Backend? backend = null)
        where T : unmanaged
    {
        fixed (T* dy = outputGradient, dx = inputGradient)
        fixed (float* c = tables.Cosines, s = tables.Sines)
        fixed (int* p = extras.PositionIds)
        {
            SpanEntry.Run(backend, new RotaryEmbeddingBackward
            {
                Inputs = Inputs(
                    tables.At(c, s), BufferView.Of(p, extras.PositionIds.Length), extras, sizes),
                OutputGradient = BufferView.Of(dy, outputGradient.Length),
                InputGradient = BufferView.Of(dx, inputGradient.Length),
            });
        }
    }

    private static RotaryInputs Inputs(
        RotaryTables tables, BufferView positionIds, in RotaryExtras extras,
        in RotarySizes sizes) => new()
        {
            Tables = tables,
            PositionIds = positionIds,
            PositionOffset = extras.PositionOffset,
            Sizes = sizes,
            InputStrides = extras.InputStrides,
            OutputStrides = extras.OutputStrides,
        };
}
