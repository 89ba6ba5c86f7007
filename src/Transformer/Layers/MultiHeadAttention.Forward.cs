using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Layers;

// Attention of whole sequences.
public sealed unsafe partial class MultiHeadAttention
{
    /// <summary>Self-attention: each position attends to those of its own sequence.</summary>
    /// <param name="input">[B, S, W]; with <see cref="AttentionExtras.QueryOffsets"/> packed,
    /// [total, W].</param>
    /// <param name="batch">B.</param>
    /// <param name="length">S; of packed sequences the longest.</param>
    /// <param name="options">Causal alignment, window, soft cap, scale, dropout.</param>
    /// <param name="output">[B, S, W] or [total, W]; may be the input itself.</param>
    /// <param name="extras">Key lengths, masks, bias, sinks; offsets of packed sequences. Strides
    /// are the layer's.</param>
    /// <param name="scores">[B, Hq, S, S], receives what <paramref name="scoreOutput"/> asks for;
    /// empty where that is None.</param>
    /// <param name="scoreOutput">Which scores are written, for example the weights.</param>
    /// <param name="tape">Keeps what the backward call needs; null: there will be none.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <remarks>With rotary positions, position s of a sequence is rotated by angle s.</remarks>
    /// <exception cref="ArgumentException">A span does not fit the sizes, an option is out of
    /// range, or the memory has another width than the input.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public void Forward(
        ReadOnlySpan<float> input, int batch, int length, in AttentionOptions options,
        Span<float> output, in AttentionExtras extras = default, Span<float> scores = default,
        ScoreOutput scoreOutput = ScoreOutput.None, MultiHeadAttentionTape? tape = null,
        Backend? backend = null)
    {
        RequireSelf();
        LayerChecks.SelfOffsets(extras);
        int rows = LayerChecks.Count("extras.QueryOffsets", extras.QueryOffsets, batch, length);
        LayerChecks.Rows("input", input.Length, rows, Options.Width);
        LayerChecks.Positions("length", length, Options.Rotary);
        Run(input, input, extras with { KeyOffsets = extras.QueryOffsets },
            new(batch, length, length, rows, rows, IsSelf: true), options, output, scores,
            scoreOutput, tape, backend);
    }

    /// <summary>Cross-attention: each position of a query sequence attends to those of a memory.
    /// </summary>
    /// <param name="query">[B, Sq, W]; with <see cref="AttentionExtras.QueryOffsets"/> packed.
    /// </param>
    /// <param name="memory">[B, Skv, M]; with <see cref="AttentionExtras.KeyOffsets"/> packed.
    /// </param>
    /// <param name="batch">B.</param>
    /// <param name="queryLength">Sq; of packed sequences the longest.</param>
    /// <param name="memoryLength">Skv; of packed sequences the longest.</param>
    /// <param name="options">Causal alignment, window, soft cap, scale, dropout.</param>
    /// <param name="output">[B, Sq, W]; may be the query itself.</param>
    /// <param name="extras">Key lengths, masks, bias, sinks; offsets of packed sequences. Strides
    /// are the layer's.</param>
    /// <param name="scores">[B, Hq, Sq, Skv], receives what <paramref name="scoreOutput"/> asks
    /// for; empty where that is None.</param>
    /// <param name="scoreOutput">Which scores are written, for example the weights.</param>
    /// <param name="tape">Keeps what the backward call needs; null: there will be none.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <remarks>With rotary positions, position s of either sequence is rotated by angle s.
    /// </remarks>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or an option is out of
    /// range.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public void Forward(
        ReadOnlySpan<float> query, ReadOnlySpan<float> memory, int batch, int queryLength,
        int memoryLength, in AttentionOptions options, Span<float> output,
        in AttentionExtras extras = default, Span<float> scores = default,
        ScoreOutput scoreOutput = ScoreOutput.None, MultiHeadAttentionTape? tape = null,
        Backend? backend = null)
    {
        int queries = LayerChecks.Count(
            "extras.QueryOffsets", extras.QueryOffsets, batch, queryLength);
        int keys = LayerChecks.Count("extras.KeyOffsets", extras.KeyOffsets, batch, memoryLength);
        LayerChecks.Rows("query", query.Length, queries, Options.Width);
        LayerChecks.Rows("memory", memory.Length, keys, Options.MemoryWidth);
        LayerChecks.Positions("queryLength", queryLength, Options.Rotary);
        LayerChecks.Positions("memoryLength", memoryLength, Options.Rotary);
        Run(query, memory, extras,
            new(batch, queryLength, memoryLength, queries, keys, IsSelf: false), options, output,
            scores, scoreOutput, tape, backend);
    }

    private void Run(
        ReadOnlySpan<float> query, ReadOnlySpan<float> memory, in AttentionExtras extras,
        in LayerSizes sizes, in AttentionOptions options, Span<float> output,
        Span<float> scores, ScoreOutput scoreOutput, MultiHeadAttentionTape? tape,
        Backend? backend)
    {
        LayerChecks.Extras(extras, Options);
        LayerChecks.Rows("output", output.Length, sizes.QueryRows, Options.Width);
        long count = LayerBuffers.Count(Options, sizes, logSumExp: tape is not null);
        using HostBlock scratch =
            tape is null ? HostMemory.Rent(count * sizeof(float)) : default;
        Span<float> floats =
            tape is null ? new(scratch.Pointer<float>(), (int)count) : tape.Begin(count);
        LayerBuffers buffers = new(floats, Options, sizes);
        Project(query, memory, sizes, buffers, backend);
        Rotate(buffers, sizes, extras, inverse: false, backend);
        FusedAttention.Forward<float>(buffers.Query, buffers.Key, buffers.Value,
            Filled(extras, buffers), AttentionSizes(sizes), options, buffers.Heads,
            tape is null ? default : buffers.LogSumExp, scores, scoreOutput, backend);
        Linear.Forward(buffers.Heads, OutputWeight, OutputBias,
            new(sizes.QueryRows, queryWidth, Options.Width), default, output, backend: backend);
        tape?.End(this, sizes, options);
    }

    private void Project(
        ReadOnlySpan<float> query, ReadOnlySpan<float> memory, in LayerSizes sizes,
        in LayerBuffers buffers, Backend? backend)
    {
        if (sizes.IsSelf)
        {
            Linear.Forward(query, ProjectionWeight, ProjectionBias,
                new(sizes.QueryRows, Options.Width, packedWidth), default, buffers.Query,
                backend: backend);
            return;
        }

        Linear.Forward(query, QueryWeight, QueryPart(ProjectionBias),
            new(sizes.QueryRows, Options.Width, queryWidth), default, buffers.Query,
            backend: backend);
        Linear.Forward(memory, MemoryWeight, MemoryPart(ProjectionBias),
            new(sizes.MemoryRows, Options.MemoryWidth, 2 * keyWidth), default, buffers.Key,
            backend: backend);
    }

    /// <summary>Rotates queries and keys where they lie, or their gradients back.</summary>
    private void Rotate(
        in LayerBuffers buffers, in LayerSizes sizes, in AttentionExtras extras, bool inverse,
        Backend? backend)
    {
        if (Options.Rotary is null) return;
        int heads = Options.Heads, keyHeads = Options.KeyValueHeads;
        // Keys follow queries in the packed rows: together they are so many heads more.
        if (sizes.IsSelf) heads += keyHeads;
        Rotate(buffers.Query, heads, buffers.QueryRow, sizes.Batch, sizes.QueryLength,
            extras.QueryOffsets, inverse, backend);
        if (sizes.IsSelf) return;
        Rotate(buffers.Key, keyHeads, buffers.MemoryRow, sizes.Batch, sizes.MemoryLength,
            extras.KeyOffsets, inverse, backend);
    }

    private void Rotate(
        Span<float> rows, int heads, int rowWidth, int batch, int length,
        ReadOnlySpan<int> offsets, bool inverse, Backend? backend)
    {
        bool packed = !offsets.IsEmpty;
        int total = packed ? offsets[^1] : 0;
        using HostBlock ids = packed ? HostMemory.Rent((long)total * sizeof(int)) : default;
        Span<int> positions = new(ids.Pointer<int>(), total);
        for (int b = 0; packed && b < batch; b++)
        {
            for (int i = offsets[b]; i < offsets[b + 1]; i++) positions[i] = i - offsets[b];
        }

        RotarySizes sizes = packed
            ? new(1, heads, total, Options.HeadDimension)
            : new(batch, heads, length, Options.HeadDimension);
        AttentionStrides strides = AttentionStrides.SequenceMajor(
            heads, sizes.Length, Options.HeadDimension, rowWidth);
        RotaryExtras extras = new()
        {
            PositionIds = positions, InputStrides = strides, OutputStrides = strides,
        };
        if (inverse) RotaryEmbedding.Backward(rows, Rotary, extras, sizes, rows, backend);
        else RotaryEmbedding.Forward(rows, Rotary, extras, sizes, rows, backend);
    }

    private AttentionExtras Filled(in AttentionExtras extras, in LayerBuffers buffers) =>
        extras with
        {
            AlibiSlopes = Options.Alibi ? slopes : extras.AlibiSlopes,
            QueryStrides = buffers.QueryStrides,
            KeyStrides = buffers.KeyStrides,
            ValueStrides = buffers.KeyStrides,
            OutputStrides = buffers.HeadStrides,
        };

    private AttentionSizes AttentionSizes(in LayerSizes sizes) => new(
        sizes.Batch, Options.Heads, Options.KeyValueHeads, sizes.QueryLength, sizes.MemoryLength,
        Options.HeadDimension, Options.HeadDimension);

    private Span<float> QueryPart(Span<float> bias) =>
        bias.IsEmpty ? bias : bias[..queryWidth];

    private Span<float> MemoryPart(Span<float> bias) =>
        bias.IsEmpty ? bias : bias[queryWidth..];

    private void RequireSelf()
    {
        if (Options.MemoryWidth == Options.Width) return;
        OpCheck.Throw(Name, $"the layer's memory has width {Options.MemoryWidth} and its input " +
            $"{Options.Width}; self-attention needs one width. Pass a memory, too.");
    }
}
