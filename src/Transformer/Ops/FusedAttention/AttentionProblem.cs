using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// An attention call as the CPU kernels want it: typed pointers, strides with their defaults filled
/// in, and the visibility rules reduced to one interval of keys for each query.
/// </summary>
internal unsafe struct AttentionProblem
{
    public float* Query;
    public float* Key;
    public float* Value;
    public float* Bias;
    public byte* Mask;
    public int* KeyLengths;
    public AttentionStrides QueryStrides;
    public AttentionStrides KeyStrides;
    public AttentionStrides ValueStrides;
    public AttentionStrides OutputStrides;
    public AttentionMaskLayout MaskLayout;
    public AttentionMaskLayout BiasLayout;
    public AttentionSizes Sizes;
    public float Scale;
    public float SoftCap;

    /// <summary>Query heads of a key/value head.</summary>
    public int Group;

    private readonly CausalAlignment causal;
    private readonly int pastLength;
    private readonly int left;
    private readonly int right;
    private readonly int keyLimit;

    public AttentionProblem(in AttentionInputs inputs)
    {
        Query = inputs.Query.Pointer<float>();
        Key = inputs.Key.Pointer<float>();
        Value = inputs.Value.Pointer<float>();
        Bias = inputs.Bias.Pointer<float>();
        Mask = (byte*)inputs.Mask.Address;
        KeyLengths = inputs.KeyLengths.Pointer<int>();
        QueryStrides = inputs.EffectiveQueryStrides;
        KeyStrides = inputs.EffectiveKeyStrides;
        ValueStrides = inputs.EffectiveValueStrides;
        OutputStrides = inputs.EffectiveOutputStrides;
        MaskLayout = inputs.MaskLayout;
        BiasLayout = inputs.BiasLayout;
        Sizes = inputs.Sizes;
        Scale = (float)inputs.Options.EffectiveScale(Sizes.HeadDimension);
        SoftCap = (float)inputs.Options.SoftCap;
        Group = Sizes.QueryHeads / Sizes.KeyValueHeads;
        causal = inputs.Options.Causal;
        pastLength = inputs.Options.PastLength;
        left = inputs.Options.Window?.Left ?? -1;
        right = inputs.Options.Window?.Right ?? -1;
        keyLimit = Sizes.KeyLength;
        if (KeyLengths != null)
        {
            IdCheck.Lengths(AttentionForward.Op, "keyLengths", KeyLengths, Sizes.Batch,
                Sizes.KeyLength);
        }

        if (Mask != null) keyLimit = Math.Min(keyLimit, MaskLayout.KeyCount);
        if (Bias != null) keyLimit = Math.Min(keyLimit, BiasLayout.KeyCount);
    }

    /// <summary>True when scores need more than a scale and an interval.</summary>
    public readonly bool ShapesScores => SoftCap > 0 || Bias != null || Mask != null;

    /// <summary>At most one register block of rows reads each key: scores are then dot products
    /// on the keys in place, in the output pass and in the score writer alike, so that both
    /// see the same bits.</summary>
    public readonly bool HasFewRows => Group * Sizes.QueryLength <= AttentionMultiply.Rows;

    /// <summary>True when later queries see more keys than earlier ones.</summary>
    public readonly bool IsCausal => causal != CausalAlignment.None;

    /// <summary>
    /// The keys [first, end) that causal order, window, lengths and short rows leave to a query;
    /// the Boolean mask may hide more. Both bounds never decrease with the query.
    /// </summary>
    public readonly void VisibleKeys(int batch, int query, out int first, out int end)
    {
        int length = KeyLengths != null ? KeyLengths[batch] : Sizes.KeyLength;
        long position = query + causal switch
        {
            CausalAlignment.BottomRight => (long)length - Sizes.QueryLength,
            CausalAlignment.TopLeft => 0,
            _ => pastLength,
        };
        long high = Math.Min(length, keyLimit);
        long low = left >= 0 ? Math.Max(0, position - left) : 0;
        if (causal != CausalAlignment.None) high = Math.Min(high, position + 1);
        if (right >= 0) high = Math.Min(high, position + right + 1);
        end = (int)Math.Max(0, high);
        first = (int)Math.Min(low, end);
    }

    public readonly float* QueryRow(int batch, int head, int query) => Query +
        (batch * QueryStrides.Batch) + (head * QueryStrides.Head) +
        (query * QueryStrides.Sequence);

    public readonly float* KeyRow(int batch, int head, int key) => Key +
        (batch * KeyStrides.Batch) + (head * KeyStrides.Head) + (key * KeyStrides.Sequence);

    public readonly float* ValueRow(int batch, int head, int key) => Value +
        (batch * ValueStrides.Batch) + (head * ValueStrides.Head) +
        (key * ValueStrides.Sequence);

    public readonly long OutputOffset(int batch, int head, int query) =>
        (batch * OutputStrides.Batch) + (head * OutputStrides.Head) +
        (query * OutputStrides.Sequence);

    /// <summary>Index of a query in [B, Hq, Sq].</summary>
    public readonly long RowIndex(int batch, int head, int query) =>
        ((((long)batch * Sizes.QueryHeads) + head) * Sizes.QueryLength) + query;

    public readonly byte* MaskRow(int batch, int head, int query) => Mask +
        (batch * MaskLayout.Batch) + (head * MaskLayout.Head) + (query * MaskLayout.Query);

    public readonly long BiasOffset(int batch, int head, int query) =>
        (batch * BiasLayout.Batch) + (head * BiasLayout.Head) + (query * BiasLayout.Query);

    /// <summary>False when the Boolean mask hides keys [first, end) from all given queries.
    /// </summary>
    public readonly bool MaskShowsAny(
        int batch, int head, int query, int queries, int first, int end)
    {
        if (Mask == null) return true;
        int rows = MaskLayout.Query == 0 ? 1 : queries;
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<byte> keys = new(MaskRow(batch, head, query + row) + first, end - first);
            if (keys.ContainsAnyExcept((byte)0)) return true;
        }

        return false;
    }

    /// <summary>Why a CPU vector kernel cannot take these buffers; null when it can.</summary>
    public static string? Unsupported(in AttentionInputs inputs) =>
        WrongType("query", inputs.Query) ?? WrongType("key", inputs.Key) ??
        WrongType("value", inputs.Value) ?? WrongType("bias", inputs.Bias);

    /// <summary>The reason where a buffer is present and not Float32.</summary>
    public static string? WrongType(string argument, BufferView view) =>
        view.IsAbsent || view.DType == DType.Float32
            ? null : $"computes in Float32 only; '{argument}' is {view.DType}";
}

/// <summary>Hands out consecutive, 64-byte aligned parts of one scratch block.</summary>
internal unsafe struct ScratchCarver(nint start)
{
    private nint next = start;

    /// <summary>Bytes that <paramref name="count"/> floats take, padding included.</summary>
    public static long Bytes(long count) => ((count * sizeof(float)) + 63) & ~63L;

    public float* Take(long count)
    {
        nint taken = next;
        next += (nint)Bytes(count);
        return (float*)taken;
    }
}
