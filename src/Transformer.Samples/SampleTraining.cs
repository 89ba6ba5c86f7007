using System.Numerics.Tensors;
using Transformer.Models.Graph;
using Transformer.Models.Training;

namespace Transformer.Samples;

/// <summary>What the samples share: a short training, and logits as probabilities.</summary>
internal static class SampleTraining
{
    /// <summary>A training of seconds that learns its few sentences by heart.</summary>
    public static TrainingOptions Options(
        int steps, int tokens, double learningRate = 5e-3) => new()
    {
        Epochs = 0,
        MaxSteps = steps,
        TokensPerBatch = tokens,
        LearningRate = learningRate,
        WarmupSteps = 20,
        Schedule = LearningRateSchedule.Cosine,
        LabelSmoothing = 0,
    };

    /// <summary>The softmax of each row of a graph's logits.</summary>
    public static float[][] Probabilities(CompiledGraph graph, int vocabulary)
    {
        float[] logits = new float[graph.OutputShape("logits").ElementCount];
        graph.Fetch<float>("logits", logits);
        return [.. logits.Chunk(vocabulary).Select(row =>
        {
            float[] shares = new float[row.Length];
            TensorPrimitives.Subtract(row, TensorPrimitives.Max<float>(row), row);
            TensorPrimitives.SoftMax(row, shares);
            return shares;
        })];
    }

    /// <summary>The likeliest token.</summary>
    public static int Largest(float[] probabilities) =>
        TensorPrimitives.IndexOfMax<float>(probabilities);
}
