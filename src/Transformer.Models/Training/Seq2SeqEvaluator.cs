using Transformer.Models.Graph;

namespace Transformer.Models.Training;

/// <summary>Measures a model on pairs by teacher forcing, without dropout.</summary>
/// <remarks>Not safe for use by several threads at once.</remarks>
public sealed class Seq2SeqEvaluator
{
    private readonly ISeq2SeqTrainingModel model;
    private readonly BucketBatcher batches;
    private readonly Batch batch = new();
    private readonly LabelRanking ranking;

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
        ranking = new(model.Backend.Memory);
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
            correct += ranking.CountFirst(graph, batch.Labels);
        }

        return new(loss / tokens, (double)correct / tokens, tokens);
    }
}
