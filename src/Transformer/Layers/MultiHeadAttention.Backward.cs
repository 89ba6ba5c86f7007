using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Layers;

public sealed unsafe partial class MultiHeadAttention
{
    /// <summary>Gradients of self-attention.</summary>
    /// <param name="input">The forward call's.</param>
    /// <param name="outputGradient">As its output.</param>
    /// <param name="tape">That it left; batch, length and options are the forward call's. May serve
    /// another backward call.</param>
    /// <param name="inputGradient">As the input, overwritten; may be empty, and may be the output's
    /// gradient itself.</param>
    /// <param name="gradients">Of the parameters, added to.</param>
    /// <param name="extras">The forward call's.</param>
    /// <param name="extraGradients">Of bias, relative bias and sinks, added to.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the forward call, or the tape holds
    /// none of this layer's self-attention.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public void Backward(
        ReadOnlySpan<float> input, ReadOnlySpan<float> outputGradient,
        MultiHeadAttentionTape tape, Span<float> inputGradient,
        in MultiHeadAttentionGradients gradients, in AttentionExtras extras = default,
        in AttentionExtraGradients extraGradients = default, Backend? backend = null)
    {
        LayerSizes sizes = Recorded(tape, self: true);
        LayerChecks.Rows("input", input.Length, sizes.QueryRows, Options.Width);
        if (!inputGradient.IsEmpty)
        {
            LayerChecks.Rows(
                "inputGradient", inputGradient.Length, sizes.QueryRows, Options.Width);
        }

        LayerChecks.SelfOffsets(extras);
        AttentionExtras own = extras with { KeyOffsets = extras.QueryOffsets };
        RequireForwardRows(own, sizes);
        using HostBlock scratch = RentChanges(sizes, out LayerBuffers changes);
        LinearSizes projection = new(sizes.QueryRows, Options.Width, packedWidth);
        Require(outputGradient, sizes, gradients, extras, extraGradients);
        LayerChecks.Backward(input, ProjectionWeight, changes.Query, projection, inputGradient,
            gradients.ProjectionWeight, gradients.ProjectionBias);
        LayerChecks.Apart(input, default, outputGradient, inputGradient, default, gradients,
            extraGradients);
        HeadGradients(outputGradient, tape, gradients, own, extraGradients, backend, changes);
        Linear.Backward(input, ProjectionWeight, default, changes.Query, projection, default,
            inputGradient, gradients.ProjectionWeight, gradients.ProjectionBias, backend);
    }

    /// <summary>Gradients of cross-attention.</summary>
    /// <param name="query">The forward call's.</param>
    /// <param name="memory">The forward call's.</param>
    /// <param name="outputGradient">As its output.</param>
    /// <param name="tape">That it left; batch, lengths and options are the forward call's. May
    /// serve another backward call.</param>
    /// <param name="queryGradient">As the query, overwritten; may be empty.</param>
    /// <param name="memoryGradient">As the memory, overwritten; may be empty.</param>
    /// <param name="gradients">Of the parameters, added to.</param>
    /// <param name="extras">The forward call's.</param>
    /// <param name="extraGradients">Of bias, relative bias and sinks, added to.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the forward call, or the tape holds
    /// none of this layer's cross-attention.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public void Backward(
        ReadOnlySpan<float> query, ReadOnlySpan<float> memory,
        ReadOnlySpan<float> outputGradient, MultiHeadAttentionTape tape,
        Span<float> queryGradient, Span<float> memoryGradient,
        in MultiHeadAttentionGradients gradients, in AttentionExtras extras = default,
        in AttentionExtraGradients extraGradients = default, Backend? backend = null)
    {
        LayerSizes sizes = Recorded(tape, self: false);
        LayerChecks.Rows("query", query.Length, sizes.QueryRows, Options.Width);
        LayerChecks.Rows("memory", memory.Length, sizes.MemoryRows, Options.MemoryWidth);
        if (!queryGradient.IsEmpty)
        {
            LayerChecks.Rows(
                "queryGradient", queryGradient.Length, sizes.QueryRows, Options.Width);
        }

        if (!memoryGradient.IsEmpty)
        {
            LayerChecks.Rows(
                "memoryGradient", memoryGradient.Length, sizes.MemoryRows, Options.MemoryWidth);
        }

        RequireForwardRows(extras, sizes);
        using HostBlock scratch = RentChanges(sizes, out LayerBuffers changes);
        Require(outputGradient, sizes, gradients, extras, extraGradients);
        Span<float> weight = gradients.ProjectionWeight;
        int split = queryWidth * Options.Width;
        LinearSizes queries = new(sizes.QueryRows, Options.Width, queryWidth);
        LinearSizes memories = new(sizes.MemoryRows, Options.MemoryWidth, 2 * keyWidth);
        Span<float> queryPart = weight.IsEmpty ? weight : weight[..split];
        Span<float> memoryPart = weight.IsEmpty ? weight : weight[split..];
        Span<float> queryBias = QueryPart(gradients.ProjectionBias);
        Span<float> memoryBias = MemoryPart(gradients.ProjectionBias);
        LayerChecks.Backward(query, QueryWeight, changes.Query, queries, queryGradient, queryPart,
            queryBias);
        LayerChecks.Backward(memory, MemoryWeight, changes.Key, memories, memoryGradient,
            memoryPart, memoryBias);
        LayerChecks.Apart(query, memory, outputGradient, queryGradient, memoryGradient, gradients,
            extraGradients);
        HeadGradients(outputGradient, tape, gradients, extras, extraGradients, backend, changes);
        Linear.Backward(query, QueryWeight, default, changes.Query, queries, default,
            queryGradient, queryPart, queryBias, backend);
        Linear.Backward(memory, MemoryWeight, default, changes.Key, memories, default,
            memoryGradient, memoryPart, memoryBias, backend);
    }

    /// <summary>Room for the gradients of the projected queries, keys, values and heads.</summary>
    private HostBlock RentChanges(in LayerSizes sizes, out LayerBuffers changes)
    {
        long count = LayerBuffers.Count(Options, sizes, logSumExp: false);
        HostBlock block = HostMemory.Rent(count * sizeof(float));
        changes = new(new(block.Pointer<float>(), (int)count), Options, sizes);
        return block;
    }

    /// <summary>From the output's gradient to those of the projected queries, keys and values.
    /// </summary>
    /// <remarks>What adds to the caller's gradients comes after all that may refuse the call: a
    /// refused call has changed nothing.</remarks>
    private void HeadGradients(
        ReadOnlySpan<float> outputGradient, MultiHeadAttentionTape tape,
        in MultiHeadAttentionGradients gradients, in AttentionExtras extras,
        in AttentionExtraGradients extraGradients, Backend? backend, in LayerBuffers changes)
    {
        LayerSizes sizes = tape.Sizes;
        LayerBuffers saved = new(tape.Floats, Options, sizes);
        LinearSizes projection = new(sizes.QueryRows, queryWidth, Options.Width);
        LayerChecks.Backward(saved.Heads, OutputWeight, outputGradient, projection, changes.Heads,
            gradients.OutputWeight, gradients.OutputBias);
        Linear.Backward(saved.Heads, OutputWeight, default, outputGradient, projection, default,
            changes.Heads, default, default, backend);
        FusedAttention.Backward<float>(saved.Query, saved.Key, saved.Value, saved.Heads,
            saved.LogSumExp, changes.Heads, Filled(extras, saved), AttentionSizes(sizes),
            tape.Options, changes.Query, changes.Key, changes.Value, extraGradients, backend);
        Rotate(changes, sizes, extras, inverse: true, backend);
        Linear.Backward(saved.Heads, OutputWeight, default, outputGradient, projection, default,
            default, gradients.OutputWeight, gradients.OutputBias, backend);
    }

    private LayerSizes Recorded(MultiHeadAttentionTape tape, bool self)
    {
        ArgumentNullException.ThrowIfNull(tape);
        if (tape.Layer == this && tape.Sizes.IsSelf == self) return tape.Sizes;
        string held = tape.Layer is null ? "no finished forward call"
            : tape.Layer != this ? "a forward call of another layer"
            : self ? "cross-attention" : "self-attention";
        string expected = self ? "self" : "cross";
        OpCheck.Throw(Name, $"'tape' holds {held}; expected {expected}-attention of this layer. " +
            "Pass the tape that the forward call was given.");
        return default;
    }

    /// <summary>Requires offsets that give as many rows as those of the forward call did.</summary>
    private static void RequireForwardRows(in AttentionExtras extras, in LayerSizes sizes)
    {
        int queries = LayerChecks.Count(
            "extras.QueryOffsets", extras.QueryOffsets, sizes.Batch, sizes.QueryLength);
        int keys = LayerChecks.Count(
            "extras.KeyOffsets", extras.KeyOffsets, sizes.Batch, sizes.MemoryLength);
        if (queries == sizes.QueryRows && keys == sizes.MemoryRows) return;
        OpCheck.Throw(Name, $"'extras' describe {queries} and {keys} rows; the forward call had " +
            $"{sizes.QueryRows} and {sizes.MemoryRows}. Pass the forward call's extras.");
    }

    private void Require(
        ReadOnlySpan<float> outputGradient, in LayerSizes sizes,
        in MultiHeadAttentionGradients gradients, in AttentionExtras extras,
        in AttentionExtraGradients extraGradients)
    {
        LayerChecks.Rows("outputGradient", outputGradient.Length, sizes.QueryRows, Options.Width);
        LayerChecks.Extras(extras, Options);
        LayerChecks.ExtraGradients(extras, extraGradients);
        LayerChecks.Gradient("gradients.ProjectionWeight", gradients.ProjectionWeight.Length,
            projectionWeight.Length);
        LayerChecks.Gradient("gradients.ProjectionBias", gradients.ProjectionBias.Length,
            projectionBias.Length);
        LayerChecks.Gradient(
            "gradients.OutputWeight", gradients.OutputWeight.Length, outputWeight.Length);
        LayerChecks.Gradient(
            "gradients.OutputBias", gradients.OutputBias.Length, outputBias.Length);
    }
}
