using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Transformer.Backends;

namespace Transformer.Ops;

public static unsafe partial class FusedAttention
{
    /// <summary>Attention on tensor spans of rank 4, which bring their sizes and strides.</summary>
    /// <param name="query">[B, Hq, Sq, D]; any strides whose last is 1, so a permuted [B, S, H, D]
    /// or a slice of packed QKV needs no copy.</param>
    /// <param name="key">[B, Hkv, Skv, D].</param>
    /// <param name="value">[B, Hkv, Skv, Dv].</param>
    /// <param name="options">Scale, causal alignment, window, soft cap, dropout.</param>
    /// <param name="output">[B, Hq, Sq, Dv].</param>
    /// <param name="extras">Mask, bias, lengths and position terms; no strides, offsets or pages:
    /// the spans say where rows lie.</param>
    /// <param name="logSumExp">[B, Hq, Sq]; may be empty.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">Shapes that do not fit each other, or an option out of
    /// range.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward<T>(
        in ReadOnlyTensorSpan<T> query, in ReadOnlyTensorSpan<T> key,
        in ReadOnlyTensorSpan<T> value, in AttentionOptions options, in TensorSpan<T> output,
        in AttentionExtras extras = default, Span<float> logSumExp = default,
        Backend? backend = null) where T : unmanaged
    {
        AttentionTensorSpans.RefusePlaces(extras);
        AttentionTensorSpans.Sizes(query, key, value, out AttentionSizes sizes);
        AttentionTensorSpans.Expect<T>("output", output, sizes.Batch, sizes.QueryHeads,
            sizes.QueryLength, sizes.ValueDimension);
        Forward(AttentionTensorSpans.Elements(query), AttentionTensorSpans.Elements(key),
            AttentionTensorSpans.Elements(value), extras with
            {
                QueryStrides = AttentionTensorSpans.Strides("query", query),
                KeyStrides = AttentionTensorSpans.Strides("key", key),
                ValueStrides = AttentionTensorSpans.Strides("value", value),
                OutputStrides = AttentionTensorSpans.Strides<T>("output", output),
            }, sizes, options, AttentionTensorSpans.Writable(output), logSumExp,
            backend: backend);
    }

    /// <summary>Gradients of attention on tensor spans of rank 4.</summary>
    /// <param name="query">[B, Hq, Sq, D].</param>
    /// <param name="key">[B, Hkv, Skv, D].</param>
    /// <param name="value">[B, Hkv, Skv, Dv].</param>
    /// <param name="output">[B, Hq, Sq, Dv] of the forward call.</param>
    /// <param name="logSumExp">[B, Hq, Sq] of the forward call.</param>
    /// <param name="outputGradient">[B, Hq, Sq, Dv], strided as the output.</param>
    /// <param name="options">Options of the forward call.</param>
    /// <param name="queryGradient">Shaped and strided as the query; overwritten.</param>
    /// <param name="keyGradient">Shaped and strided as the key; overwritten.</param>
    /// <param name="valueGradient">Shaped and strided as the value; overwritten.</param>
    /// <param name="extras">The forward call's.</param>
    /// <param name="extraGradients">Of bias, relative bias and sinks; added to.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">Shapes or strides that do not fit each other, or an
    /// option out of range.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Backward<T>(
        in ReadOnlyTensorSpan<T> query, in ReadOnlyTensorSpan<T> key,
        in ReadOnlyTensorSpan<T> value, in ReadOnlyTensorSpan<T> output,
        ReadOnlySpan<float> logSumExp, in ReadOnlyTensorSpan<T> outputGradient,
        in AttentionOptions options, in TensorSpan<T> queryGradient,
        in TensorSpan<T> keyGradient, in TensorSpan<T> valueGradient,
        in AttentionExtras extras = default,
        in AttentionExtraGradients extraGradients = default, Backend? backend = null)
        where T : unmanaged
    {
        AttentionTensorSpans.RefusePlaces(extras);
        AttentionTensorSpans.Sizes(query, key, value, out AttentionSizes sizes);
        AttentionTensorSpans.Expect("output", output, sizes.Batch, sizes.QueryHeads,
            sizes.QueryLength, sizes.ValueDimension);
        AttentionTensorSpans.Like("outputGradient", outputGradient, "output", output);
        AttentionTensorSpans.Like<T>("queryGradient", queryGradient, "query", query);
        AttentionTensorSpans.Like<T>("keyGradient", keyGradient, "key", key);
        AttentionTensorSpans.Like<T>("valueGradient", valueGradient, "value", value);
        Backward(AttentionTensorSpans.Elements(query), AttentionTensorSpans.Elements(key),
            AttentionTensorSpans.Elements(value), AttentionTensorSpans.Elements(output),
            logSumExp, AttentionTensorSpans.Elements(outputGradient), extras with
            {
                QueryStrides = AttentionTensorSpans.Strides("query", query),
                KeyStrides = AttentionTensorSpans.Strides("key", key),
                ValueStrides = AttentionTensorSpans.Strides("value", value),
                OutputStrides = AttentionTensorSpans.Strides("output", output),
            }, sizes, options, AttentionTensorSpans.Writable(queryGradient),
            AttentionTensorSpans.Writable(keyGradient),
            AttentionTensorSpans.Writable(valueGradient), extraGradients, backend);
    }
}

/// <summary>Tensor spans as spans with sizes and strides.</summary>
internal static class AttentionTensorSpans
{
    private const string Op = "FusedAttention";

    /// <summary>Requires that only the spans say where rows lie.</summary>
    public static void RefusePlaces(in AttentionExtras extras)
    {
        string? given = extras.QueryStrides != default ? "QueryStrides"
            : extras.KeyStrides != default ? "KeyStrides"
            : extras.ValueStrides != default ? "ValueStrides"
            : extras.OutputStrides != default ? "OutputStrides"
            : !extras.QueryOffsets.IsEmpty ? "QueryOffsets"
            : !extras.KeyOffsets.IsEmpty ? "KeyOffsets"
            : !extras.BlockTable.IsEmpty || extras.PageSize != 0 ? "BlockTable" : null;
        if (given is null) return;
        OpCheck.Throw(Op, $"'extras.{given}' is given with tensor spans; expected none, because " +
            "a tensor span brings its strides. Leave it out, or pass plain spans.");
    }

    /// <summary>The call's sizes.</summary>
    public static void Sizes<T>(
        in ReadOnlyTensorSpan<T> query, in ReadOnlyTensorSpan<T> key,
        in ReadOnlyTensorSpan<T> value, out AttentionSizes sizes) where T : unmanaged
    {
        RequireRank("query", query);
        RequireRank("key", key);
        RequireRank("value", value);
        sizes = new(Size(query, 0), Size(query, 1), Size(key, 1), Size(query, 2), Size(key, 2),
            Size(query, 3), Size(value, 3));
        Expect("key", key, sizes.Batch, sizes.KeyValueHeads, sizes.KeyLength,
            sizes.HeadDimension);
        Expect("value", value, sizes.Batch, sizes.KeyValueHeads, sizes.KeyLength,
            sizes.ValueDimension);
    }

    /// <summary>Requires a shape.</summary>
    public static void Expect<T>(
        string argument, in ReadOnlyTensorSpan<T> span, int batch, int heads, int length,
        int dimension) where T : unmanaged
    {
        RequireRank(argument, span);
        ReadOnlySpan<nint> sizes = span.Lengths;
        if (sizes[0] == batch && sizes[1] == heads && sizes[2] == length &&
            sizes[3] == dimension)
        {
            return;
        }

        OpCheck.Throw(Op, $"'{argument}' has shape [{sizes[0]}, {sizes[1]}, {sizes[2]}, " +
            $"{sizes[3]}]; expected [{batch}, {heads}, {length}, {dimension}] to match the " +
            "others. Pass tensors of one call.");
    }

    /// <summary>Requires the shape and strides of another span.</summary>
    public static void Like<T>(
        string argument, in ReadOnlyTensorSpan<T> span, string other,
        in ReadOnlyTensorSpan<T> model) where T : unmanaged
    {
        Expect(argument, span, Size(model, 0), Size(model, 1), Size(model, 2), Size(model, 3));
        if (Strides(argument, span) == Strides(other, model)) return;
        OpCheck.Throw(Op, $"'{argument}' has strides {Strides(argument, span)}; expected " +
            $"{Strides(other, model)}, as '{other}' has. Lay both out alike.");
    }

    /// <summary>Strides of the outer axes. Tensor spans give axes of size 1 the stride 0, which
    /// would make rows overlap: they get one that neighbours would have, outside of all else.
    /// </summary>
    public static AttentionStrides Strides<T>(string argument, in ReadOnlyTensorSpan<T> span)
        where T : unmanaged
    {
        ReadOnlySpan<nint> strides = span.Strides;
        if (span.Lengths[3] > 1 && strides[3] != 1)
        {
            OpCheck.Throw(Op, $"'{argument}' has stride {strides[3]} on its last axis; expected " +
                "1. Copy it to a tensor whose head dimension is contiguous.");
        }

        ReadOnlySpan<nint> lengths = span.Lengths;
        if (lengths[0] > 1 && lengths[1] > 1 && lengths[2] > 1 &&
            strides[0] == 0 && strides[1] == 0 && strides[2] == 0)
        {
            OpCheck.Throw(Op, $"'{argument}' is one row, broadcast over batch, heads and " +
                "sequence; expected a stride on one of them. Copy it along one axis.");
        }

        long heads = lengths[1] > 1 ? strides[1] * lengths[1] : lengths[3];
        long sequence = lengths[2] > 1 ? strides[2]
            : lengths[0] > 1 && strides[0] >= heads ? strides[0] : heads;
        long head = lengths[1] > 1 ? strides[1] : sequence * lengths[2];
        long batch = lengths[0] > 1 ? strides[0]
            : Math.Max(head * lengths[1], sequence * lengths[2]);
        return new(batch, head, sequence);
    }

    /// <summary>Every element from the first to the last.</summary>
    public static ReadOnlySpan<T> Elements<T>(in ReadOnlyTensorSpan<T> span)
        where T : unmanaged => span.IsEmpty ? default : MemoryMarshal.CreateReadOnlySpan(
            in span.GetPinnableReference(), Extent(span));

    /// <summary>As <see cref="Elements"/>, to be written.</summary>
    public static Span<T> Writable<T>(in TensorSpan<T> span) where T : unmanaged =>
        span.IsEmpty ? default : MemoryMarshal.CreateSpan(
            ref span.GetPinnableReference(), Extent<T>(span));

    private static int Extent<T>(in ReadOnlyTensorSpan<T> span) where T : unmanaged
    {
        long last = 0;
        for (int axis = 0; axis < span.Rank; axis++)
        {
            last += (span.Lengths[axis] - 1) * (long)span.Strides[axis];
        }

        return checked((int)(last + 1));
    }

    private static int Size<T>(in ReadOnlyTensorSpan<T> span, int axis) where T : unmanaged =>
        checked((int)span.Lengths[axis]);

    private static void RequireRank<T>(string argument, in ReadOnlyTensorSpan<T> span)
        where T : unmanaged
    {
        if (span.Rank == 4) return;
        OpCheck.Throw(Op, $"'{argument}' has rank {span.Rank}; expected 4, [B, H, S, D]. Reshape " +
            "it; [B, S, H, D] is permuted, not copied.");
    }
}
