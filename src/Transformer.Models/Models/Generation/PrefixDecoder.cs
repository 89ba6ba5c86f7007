using Transformer.Models.Graph;

namespace Transformer.Models.Generation;

/// <summary>Decoding without caches: encoder and decoder run over the whole prefix for each
/// token. The check for <see cref="DecodingSession"/>.</summary>
internal sealed class PrefixDecoder : IStepDecoder
{
    private readonly Seq2SeqTransformer model;
    private readonly CompiledGraph graph;
    private readonly int rows;
    private readonly int capacity;
    private readonly float[] logits;
    private readonly float[] selected;
    private int[] target;
    private int[] reordered;
    private int position;

    /// <summary>Feeds the sources.</summary>
    /// <param name="model">The model.</param>
    /// <param name="sources">Token ids of each sentence.</param>
    /// <param name="beam">Rows a sentence.</param>
    /// <param name="capacity">Most target positions.</param>
    public PrefixDecoder(
        Seq2SeqTransformer model, IReadOnlyList<int[]> sources, int beam, int capacity)
    {
        this.model = model;
        this.capacity = capacity;
        rows = sources.Count * beam;
        int width = sources.Max(s => s.Length);
        graph = model.EvaluationGraph(rows, width, capacity);
        int[] source = new int[rows * width], lengths = new int[rows];
        Array.Fill(source, model.Config.PadId);
        for (int row = 0; row < rows; row++)
        {
            sources[row / beam].CopyTo(source, row * width);
            lengths[row] = sources[row / beam].Length;
        }

        target = new int[rows * capacity];
        reordered = new int[rows * capacity];
        Array.Fill(target, model.Config.PadId);
        Array.Fill(reordered, model.Config.PadId);
        logits = new float[rows * capacity * Vocabulary];
        selected = new float[rows * Vocabulary];
        graph.Feed<int>("source", source);
        graph.Feed<int>("sourceLengths", lengths);
        int[] labels = new int[rows * capacity];
        Array.Fill(labels, -1);
        graph.Feed<int>("labels", labels);
    }

    /// <inheritdoc/>
    public int Vocabulary => model.Config.TargetVocabulary;

    /// <inheritdoc/>
    public ReadOnlySpan<float> Step(ReadOnlySpan<int> parents, ReadOnlySpan<int> tokens)
    {
        for (int row = 0; row < rows; row++)
        {
            target.AsSpan(parents[row] * capacity, position)
                .CopyTo(reordered.AsSpan(row * capacity));
            reordered[(row * capacity) + position] = tokens[row];
        }

        (target, reordered) = (reordered, target);
        graph.Feed<int>("target", target);
        graph.Forward();
        graph.Fetch<float>("logits", logits);
        for (int row = 0; row < rows; row++)
        {
            logits.AsSpan(((row * capacity) + position) * Vocabulary, Vocabulary)
                .CopyTo(selected.AsSpan(row * Vocabulary));
        }

        position++;
        return selected;
    }
}
