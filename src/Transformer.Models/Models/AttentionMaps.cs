using Transformer.Models.Graph;
using Transformer.Tensors;

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

    /// <summary>Reads the probabilities that the attentions of a stack gave out when a graph ran
    /// for one text.</summary>
    /// <param name="graph">Has run.</param>
    /// <param name="layers">Names of the layers.</param>
    /// <param name="part">Name of the attention in its layer.</param>
    internal static AttentionMap[] Read(
        CompiledGraph graph, IEnumerable<string> layers, string part = "attention") =>
        [.. layers.Select(layer =>
        {
            string name = $"{layer}.{part}.scores";
            TensorShape shape = graph.OutputShape(name);
            float[] weights = new float[shape.ElementCount];
            graph.Fetch<float>(name, weights);
            return new AttentionMap((int)shape[1], (int)shape[2], (int)shape[3], weights);
        })];
}

/// <summary>What a model attends to while it reads one sentence and writes another.</summary>
/// <param name="EncoderSelf">By layer: source to source.</param>
/// <param name="DecoderSelf">By layer: target to target, causal.</param>
/// <param name="Cross">By layer: target to source.</param>
public sealed record AttentionMaps(
    IReadOnlyList<AttentionMap> EncoderSelf, IReadOnlyList<AttentionMap> DecoderSelf,
    IReadOnlyList<AttentionMap> Cross);
