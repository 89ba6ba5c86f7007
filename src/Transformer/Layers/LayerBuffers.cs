using Transformer.Ops;

namespace Transformer.Layers;

/// <summary>Sizes of one call of a layer.</summary>
/// <param name="Batch">B.</param>
/// <param name="QueryLength">Sq, of packed sequences the longest.</param>
/// <param name="MemoryLength">Skv; equal to Sq in self-attention.</param>
/// <param name="QueryRows">Rows of queries: B·Sq, or those of the packed sequences.</param>
/// <param name="MemoryRows">Rows of the memory.</param>
/// <param name="IsSelf">Queries and keys are projected from the same rows, in one product.</param>
internal readonly record struct LayerSizes(
    int Batch, int QueryLength, int MemoryLength, int QueryRows, int MemoryRows, bool IsSelf);

/// <summary>Where projections, heads and log-sum-exps of one call lie, or their gradients.
/// </summary>
internal readonly ref struct LayerBuffers
{
    private readonly Span<float> memory;
    private readonly int keyStart;
    private readonly int keyWidth;

    /// <summary>Parts <paramref name="floats"/>.</summary>
    /// <param name="floats">At least <see cref="Count"/> of them.</param>
    /// <param name="options">The layer's.</param>
    /// <param name="sizes">The call's.</param>
    public LayerBuffers(
        Span<float> floats, MultiHeadAttentionOptions options, scoped in LayerSizes sizes)
    {
        int queryWidth = options.Heads * options.HeadDimension;
        keyWidth = options.KeyValueHeads * options.HeadDimension;
        keyStart = sizes.IsSelf ? queryWidth : 0;
        QueryRow = sizes.IsSelf ? queryWidth + (2 * keyWidth) : queryWidth;
        MemoryRow = sizes.IsSelf ? QueryRow : 2 * keyWidth;
        Query = Take(ref floats, sizes.QueryRows * QueryRow);
        memory = sizes.IsSelf ? Query : Take(ref floats, sizes.MemoryRows * MemoryRow);
        Heads = Take(ref floats, sizes.QueryRows * queryWidth);
        LogSumExp = floats.IsEmpty ? default : floats[..(sizes.QueryRows * options.Heads)];
        int dimension = options.HeadDimension;
        QueryStrides = AttentionStrides.SequenceMajor(
            options.Heads, sizes.QueryLength, dimension, QueryRow);
        KeyStrides = AttentionStrides.SequenceMajor(
            options.KeyValueHeads, sizes.MemoryLength, dimension, MemoryRow);
        HeadStrides = AttentionStrides.SequenceMajor(
            options.Heads, sizes.QueryLength, dimension);
    }

    /// <summary>Elements of a row of <see cref="Query"/>.</summary>
    public int QueryRow { get; }

    /// <summary>Elements of a row of keys and values.</summary>
    public int MemoryRow { get; }

    /// <summary>[rows, Hq·D], in self-attention followed in each row by keys and values.</summary>
    public Span<float> Query { get; }

    /// <summary>[rows, Hkv·D] of keys, followed in each row by values.</summary>
    public Span<float> Key => From(keyStart);

    /// <summary>[rows, Hkv·D].</summary>
    public Span<float> Value => From(keyStart + keyWidth);

    /// <summary>[rows, Hq·D], attention's output.</summary>
    public Span<float> Heads { get; }

    /// <summary>Hq a row; empty where nobody asked for them.</summary>
    public Span<float> LogSumExp { get; }

    public AttentionStrides QueryStrides { get; }

    /// <summary>Of keys and of values.</summary>
    public AttentionStrides KeyStrides { get; }

    public AttentionStrides HeadStrides { get; }

    /// <summary>Floats of a call.</summary>
    /// <param name="options">The layer's.</param>
    /// <param name="sizes">The call's.</param>
    /// <param name="logSumExp">Whether log-sum-exps are among them.</param>
    /// <exception cref="ArgumentException">More than a span can hold.</exception>
    public static long Count(
        MultiHeadAttentionOptions options, in LayerSizes sizes, bool logSumExp)
    {
        long query = (long)options.Heads * options.HeadDimension;
        long key = (long)options.KeyValueHeads * options.HeadDimension;
        long count = Padded(OpCheck.Count(sizes.QueryRows, query)) +
            (sizes.IsSelf
                ? Padded(OpCheck.Count(sizes.QueryRows, query + (2 * key)))
                : Padded(OpCheck.Count(sizes.QueryRows, query)) +
                    Padded(OpCheck.Count(sizes.MemoryRows, 2 * key))) +
            (logSumExp ? OpCheck.Count(sizes.QueryRows, options.Heads) : 0);
        if (count <= Array.MaxLength - 64) return count;
        OpCheck.Throw(nameof(MultiHeadAttention), $"projections and heads of this call have " +
            $"{count} elements; expected at most {Array.MaxLength - 64}. Split the batch.");
        return 0;
    }

    private Span<float> From(int start) => memory.IsEmpty ? default : memory[start..];

    private static Span<float> Take(scoped ref Span<float> floats, int count)
    {
        Span<float> taken = floats[..count];
        floats = floats[(int)Padded(count)..];
        return taken;
    }

    /// <summary>Whole cache lines.</summary>
    private static long Padded(long count) => (count + 15) & ~15L;
}
