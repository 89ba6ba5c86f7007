namespace Transformer.Models;

/// <summary>The attention weights of one layer.</summary>
/// <param name="Heads">H.</param>
/// <param name="Queries">Sq: positions that attend.</param>
/// <param name="Keys">Skv: positions attended to.</param>
/// <param name="Weights">[H, Sq, Skv], row-major; each row sums to 1.</param>
public sealed record AttentionMap(int Heads, int Queries, int Keys, float[] Weights)
{
    /// <summary>How much a query attends to each key.</summary>
    /// <param name="head">0 to H − 1.</param>
    /// <param name="query">0 to Sq − 1.</param>
    /// <returns>[Skv].</returns>
    /// <exception cref="ArgumentOutOfRangeException">No such head or query.</exception>
    public ReadOnlySpan<float> Row(int head, int query)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(head);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(head, Heads);
        ArgumentOutOfRangeException.ThrowIfNegative(query);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(query, Queries);
        return Weights.AsSpan(((head * Queries) + query) * Keys, Keys);
    }
}

/// <summary>What a model attends to while it reads one sentence and writes another.</summary>
/// <param name="EncoderSelf">By layer: source to source.</param>
/// <param name="DecoderSelf">By layer: target to target, causal.</param>
/// <param name="Cross">By layer: target to source.</param>
public sealed record AttentionMaps(
    IReadOnlyList<AttentionMap> EncoderSelf, IReadOnlyList<AttentionMap> DecoderSelf,
    IReadOnlyList<AttentionMap> Cross);
