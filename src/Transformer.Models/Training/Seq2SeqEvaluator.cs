using System.Numerics.Tensors;
using Transformer.Models.Graph;

namespace Transformer.Models.Training;

/// <summary>How well a model predicts each token of true translations.</summary>
/// <param name="Loss">Cross entropy in nats a token, without label smoothing.</param>
/// <param name="Accuracy">Share of the tokens, in [0, 1], that the model ranks first, given the
/// true tokens before them.</param>
/// <param name="Tokens">Tokens predicted, end tokens included.</param>
public sealed record EvaluationResult(double Loss, double Accuracy, long Tokens)
{
    /// <summary>e to the loss.</summary>
    public double Perplexity => Math.Exp(Loss);
}

/// <summary>Measures a model on pairs by teacher forcing, without dropout.</summary>
/// <remarks>Not safe for use by several threads at once.</remarks>
public sealed class Seq2SeqEvaluator
{
    private readonly ISeq2SeqTrainingModel model;
    private readonly BucketBatcher batches;
    private readonly Batch batch = new();
    private float[] logitsOnHost = [];

    /// <summary>Prepares the batches.</summary>
    /// <param name="model">The model, measured as it is at each <see cref="Run"/>.</param>
    /// <param name="pairs">Pairs to measure on.</param>
    /// <param name="options">Sizes of the batches; null: the defaults. Never shuffled.</param>
    /// <exception cref="ArgumentException">A size is not positive.</exception>
    public Seq2SeqEvaluator(
        ISeq2SeqTrainingModel model, ParallelDataset pairs, BatchingOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(pairs);
        this.model = model;
        batches = new(pairs, (options ?? new()) with { Shuffle = false });
    }

    /// <summary>Measures the model as it is.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public EvaluationResult Run(CancellationToken cancellation = default)
    {
        double loss = 0;
        long tokens = 0, correct = 0;
        for (int i = 0; i < batches.BatchCount; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            batches.Fill(i, batch);
            BatchShape shape = batch.Shape;
            CompiledGraph graph =
                model.EvaluationGraph(shape.Rows, shape.SourceLength, shape.TargetLength);
            batch.Feed(graph);
            graph.Forward();
            loss += Batch.FetchLoss(graph);
            tokens += batch.TargetTokens;
            correct += CountCorrect(graph);
        }

        return new(loss / tokens, (double)correct / tokens, tokens);
    }

    /// <summary>Labels that the logits rank first; the first of equal ones counts.</summary>
    private long CountCorrect(CompiledGraph graph)
    {
        int classes = (int)graph.OutputShape("logits")[^1];
        ReadOnlySpan<float> logits = Logits(graph, batch.Labels.Length * (long)classes);
        long correct = 0;
        for (int i = 0; i < batch.Labels.Length; i++)
        {
            int label = batch.Labels[i];
            if (label == Batch.IgnoredLabel) continue;
            if (TensorPrimitives.IndexOfMax(logits.Slice(i * classes, classes)) == label)
                correct++;
        }

        return correct;
    }

    private ReadOnlySpan<float> Logits(CompiledGraph graph, long length)
    {
        if (model.Backend.Memory.IsHostAccessible) return graph.Output<float>("logits");
        if (logitsOnHost.Length < length) logitsOnHost = new float[length];
        graph.Fetch("logits", logitsOnHost.AsSpan(0, (int)length));
        return logitsOnHost;
    }
}
