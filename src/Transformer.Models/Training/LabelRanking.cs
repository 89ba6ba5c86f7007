using System.Numerics.Tensors;
using Transformer.Backends;
using Transformer.Models.Graph;

namespace Transformer.Models.Training;

/// <summary>Counts the labels that a graph's logits rank first.</summary>
internal sealed class LabelRanking(BackendMemory memory)
{
    private const string Logits = "logits";

    private float[] onHost = [];

    /// <summary>Counts in the output "logits" [labels, V] of a graph that ran; the first of equal
    /// logits counts.</summary>
    public long CountFirst(CompiledGraph graph, ReadOnlySpan<int> labels)
    {
        int classes = (int)graph.OutputShape(Logits)[^1];
        ReadOnlySpan<float> logits = Fetch(graph, labels.Length * (long)classes);
        long first = 0;
        for (int i = 0; i < labels.Length; i++)
        {
            if (labels[i] == Batch.IgnoredLabel) continue;
            ReadOnlySpan<float> row = logits.Slice(i * classes, classes);
            if (TensorPrimitives.IndexOfMax(row) == labels[i]) first++;
        }

        return first;
    }

    private ReadOnlySpan<float> Fetch(CompiledGraph graph, long length)
    {
        if (memory.IsHostAccessible) return graph.Output<float>(Logits);
        if (onHost.Length < length) onHost = new float[length];
        graph.Fetch(Logits, onHost.AsSpan(0, (int)length));
        return onHost;
    }
}
