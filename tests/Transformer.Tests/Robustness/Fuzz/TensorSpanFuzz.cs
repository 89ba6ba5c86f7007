using System.Numerics.Tensors;
using Transformer.Ops;
using Transformer.Tensors;
using Kernels = Transformer.Ops;

namespace Transformer.Tests.Robustness.Fuzz;

/// <summary>Random calls of attention on tensor spans: shapes that fit each other and shapes that
/// do not, dense, permuted, padded and broadcast.</summary>
internal static class TensorSpanFuzz
{
    private const int Axes = 4;

    public static void Forward(FuzzCall c)
    {
        switch (c.Below(6))
        {
            case 0: Forward<Half>(c); break;
            case 1: Forward<BFloat16>(c); break;
            default: Forward<float>(c); break;
        }
    }

    public static void Backward(FuzzCall c)
    {
        if (c.Below(6) == 0) Backward<BFloat16>(c);
        else Backward<float>(c);
    }

    private static void Forward<T>(FuzzCall c) where T : unmanaged
    {
        AttentionSizes s = Sizes(c);
        ReadOnlyTensorSpan<T> query = In<T>(c, "query", Query(c, s));
        ReadOnlyTensorSpan<T> key = In<T>(c, "key", Key(c, s));
        ReadOnlyTensorSpan<T> value = In<T>(c, "value", Value(c, s));
        TensorSpan<T> output = Out<T>(c, "output", Output(c, s));
        Kernels.FusedAttention.Forward(query, key, value, AttentionFuzz.PlainOptions(c), output,
            Extras(c, s), c.OutOrNone("logSumExp", Rows(s)), c.Backend());
    }

    private static void Backward<T>(FuzzCall c) where T : unmanaged
    {
        AttentionSizes s = Sizes(c);
        // A gradient is laid out as what it belongs to.
        Layout query = Query(c, s), key = Key(c, s), value = Value(c, s), output = Output(c, s);
        Kernels.FusedAttention.Backward(In<T>(c, "query", query), In<T>(c, "key", key),
            In<T>(c, "value", value), In<T>(c, "output", output),
            c.In("logSumExp", Rows(s)), In<T>(c, "outputGradient", Like(c, output)),
            AttentionFuzz.PlainOptions(c), Out<T>(c, "queryGradient", Like(c, query)),
            Out<T>(c, "keyGradient", Like(c, key)), Out<T>(c, "valueGradient", Like(c, value)),
            Extras(c, s), default, c.Backend());
    }

    private static AttentionSizes Sizes(FuzzCall c)
    {
        int keyHeads = 1 + c.Below(2), group = 1 + c.Below(3);
        return new(1 + c.Below(2), keyHeads * group, keyHeads, 1 + c.Below(9),
            1 + c.Below(c.OneIn(4) ? 70 : 17), 1 + c.Below(20), 1 + c.Below(20));
    }

    private static Int128 Rows(AttentionSizes s) =>
        (Int128)s.Batch * s.QueryHeads * s.QueryLength;

    private static Layout Query(FuzzCall c, AttentionSizes s) =>
        Any(c, s.Batch, s.QueryHeads, s.QueryLength, s.HeadDimension);

    private static Layout Key(FuzzCall c, AttentionSizes s) =>
        Any(c, s.Batch, s.KeyValueHeads, s.KeyLength, s.HeadDimension);

    private static Layout Value(FuzzCall c, AttentionSizes s) =>
        Any(c, s.Batch, s.KeyValueHeads, s.KeyLength, s.ValueDimension);

    private static Layout Output(FuzzCall c, AttentionSizes s) =>
        Any(c, s.Batch, s.QueryHeads, s.QueryLength, s.ValueDimension);

    /// <summary>[B, H, S, D] dense, or [B, S, H, D] permuted, dense or with a gap behind each
    /// row of heads.</summary>
    private static Layout Any(FuzzCall c, int batch, int heads, int length, int dimension)
    {
        nint[] sizes = [batch, heads, length, dimension];
        int gap = c.OneIn(2) ? 0 : c.Below(4);
        nint row = ((nint)heads * dimension) + gap;
        nint[] strides = c.OneIn(2)
            ? [(nint)heads * length * dimension, (nint)length * dimension, dimension, 1]
            : [length * row, dimension, row, 1];
        return Bent(c, new(sizes, strides));
    }

    private static Layout Like(FuzzCall c, Layout layout) =>
        Bent(c, new([.. layout.Sizes], [.. layout.Strides]));

    /// <summary>Now and then another size, another stride, or another rank.</summary>
    private static Layout Bent(FuzzCall c, Layout layout)
    {
        for (int axis = 0; axis < layout.Sizes.Length; axis++)
        {
            if (c.Wrong()) layout.Sizes[axis] = c.Of<nint>(0, 1, 2, 7, layout.Sizes[axis] + 1);
            if (c.Wrong()) layout.Strides[axis] = c.Of<nint>(0, 1, 2, layout.Strides[axis] + 1);
        }

        if (layout.Sizes.Length < Axes || !c.Wrong()) return layout;
        return new(layout.Sizes[1..], layout.Strides[1..]);
    }

    private static AttentionExtras Extras(FuzzCall c, AttentionSizes s) => new()
    {
        KeyLengths = c.OneIn(4) ? c.Ids("keyLengths", s.Batch, 0, s.KeyLength) : default,
        AlibiSlopes = c.OneIn(5) ? c.In("alibiSlopes", s.QueryHeads) : default,
        Sinks = c.OneIn(5) ? c.In("sinks", s.QueryHeads) : default,
        // Where rows lie is for the spans to say.
        QueryStrides = c.Wrong() ? new(1, 2, 3) : default,
        PageSize = c.Wrong() ? 16 : 0,
    };

    private static ReadOnlyTensorSpan<T> In<T>(FuzzCall c, string name, Layout layout)
        where T : unmanaged
    {
        layout.Describe(c, name);
        ReadOnlySpan<T> span = c.In<T>(name, layout.Extent);
        try
        {
            return new(span, layout.Sizes, layout.SpanStrides);
        }
        catch (ArgumentException exception)
        {
            throw NoSpan(c, exception);
        }
    }

    private static TensorSpan<T> Out<T>(FuzzCall c, string name, Layout layout)
        where T : unmanaged
    {
        layout.Describe(c, name);
        Span<T> span = c.Out<T>(name, layout.Extent);
        try
        {
            return new(span, layout.Sizes, layout.SpanStrides);
        }
        catch (ArgumentException exception)
        {
            throw NoSpan(c, exception);
        }
    }

    // There is no such tensor span, and so no call.
    private static Exception NoSpan(FuzzCall c, ArgumentException exception) => c.IsRight
        ? new InvalidOperationException("a right tensor span could not be made", exception)
        : new FuzzCall.DryRunException();

    private readonly record struct Layout(nint[] Sizes, nint[] Strides)
    {
        public Int128 Extent
        {
            get
            {
                Int128 last = 0;
                for (int axis = 0; axis < Sizes.Length; axis++)
                {
                    if (Sizes[axis] == 0) return 0;
                    last += (Int128)(Sizes[axis] - 1) * Strides[axis];
                }

                return last + 1;
            }
        }

        /// <summary>Tensor spans want 0 where an axis has one element.</summary>
        public nint[] SpanStrides =>
            [.. Sizes.Zip(Strides, (size, stride) => size == 1 ? 0 : stride)];

        public void Describe(FuzzCall c, string name) => c.Note(name,
            $"[{string.Join(' ', Sizes)}] by [{string.Join(' ', Strides)}]");
    }
}
