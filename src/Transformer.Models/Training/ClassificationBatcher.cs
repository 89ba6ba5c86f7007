using Transformer.Models.Graph;
using Transformer.Numerics;

namespace Transformer.Models.Training;

/// <summary>Batches of texts with their classes, in an order that is a function of seed and epoch;
/// the last batch of an epoch is filled up with rows that do not count.</summary>
internal sealed class ClassificationBatcher
{
    private const uint Stream = 0xFFFF_000D;

    private readonly ClassificationDataset dataset;
    private readonly ulong? seed;
    private readonly int[] order;
    private readonly uint[] keys;
    private readonly int[] ids, segments, lengths;

    /// <param name="dataset">The texts.</param>
    /// <param name="rows">B.</param>
    /// <param name="positions">The model's.</param>
    /// <param name="seed">Null: in the order of the data.</param>
    public ClassificationBatcher(
        ClassificationDataset dataset, int rows, int positions, ulong? seed)
    {
        const int Multiple = 8;
        this.dataset = dataset;
        this.seed = seed;
        Rows = Math.Min(rows, dataset.Count);
        Length = Math.Min(positions, (dataset.Longest + Multiple - 1) / Multiple * Multiple);
        order = [.. Enumerable.Range(0, dataset.Count)];
        keys = new uint[dataset.Count];
        ids = new int[Rows * Length];
        segments = new int[Rows * Length];
        lengths = new int[Rows];
        Labels = new int[Rows];
    }

    public int Rows { get; }

    public int Length { get; }

    public int[] Labels { get; }

    public int BatchCount => (dataset.Count + Rows - 1) / Rows;

    public void StartEpoch(int epoch)
    {
        if (seed is not { } key) return;
        for (int i = 0; i < order.Length; i++)
            (order[i], keys[i]) = (i, Philox.Word(key, Stream, (uint)epoch, (ulong)i));
        Array.Sort(keys, order);
    }

    public int Count(int batch) => Math.Min(Rows, dataset.Count - (batch * Rows));

    public void Load(int batch, CompiledGraph graph)
    {
        ids.AsSpan().Clear();
        segments.AsSpan().Clear();
        lengths.AsSpan().Fill(1);
        Labels.AsSpan().Fill(Batch.IgnoredLabel);
        for (int row = 0; row < Count(batch); row++)
        {
            int index = order[(batch * Rows) + row];
            (int[] text, int[] kinds) = dataset.Text(index);
            text.CopyTo(ids.AsSpan(row * Length));
            kinds.CopyTo(segments.AsSpan(row * Length));
            lengths[row] = text.Length;
            Labels[row] = dataset.Label(index);
        }

        graph.Feed<int>("ids", ids);
        graph.Feed<int>("segments", segments);
        graph.Feed<int>("lengths", lengths);
        graph.Feed<int>("labels", Labels);
    }
}
