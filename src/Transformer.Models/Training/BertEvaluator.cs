using Transformer.Models.Graph;

namespace Transformer.Models.Training;

/// <summary>How well an encoder-only model does the two tasks of pre-training.</summary>
/// <param name="Masked">Loss and accuracy of masked tokens.</param>
/// <param name="NextLoss">Cross entropy in nats of whether the second text follows.</param>
/// <param name="NextAccuracy">Share of the pairs, in [0, 1], told right.</param>
/// <param name="Pairs">Pairs of texts.</param>
public sealed record BertEvaluation(
    EvaluationResult Masked, double NextLoss, double NextAccuracy, int Pairs);

/// <summary>Measures a model on pairs and masks that are drawn once and for all from sentences.
/// </summary>
/// <remarks>Not safe for use by several threads at once.</remarks>
public sealed class BertEvaluator
{
    // The draw does not follow the training's, so that no two runs are measured on other masks.
    private const ulong Seed = 0x6D61736B73;

    private readonly IBertTrainingModel model;
    private readonly BertBatcher batcher;
    private readonly BertBatch batch;
    private readonly LabelRanking ranking;

    /// <summary>Prepares the measurement.</summary>
    /// <param name="model">The model, measured as it is at each <see cref="Run"/>.</param>
    /// <param name="sentences">The sentences.</param>
    /// <param name="masking">Hides tokens.</param>
    /// <param name="rows">Texts that are measured together.</param>
    /// <param name="length">Tokens of a text; 0: the model's positions.</param>
    /// <exception cref="ArgumentException">As for <see cref="BertBatcher"/>.</exception>
    public BertEvaluator(
        IBertTrainingModel model, SentenceDataset sentences, TokenMasking masking, int rows = 16,
        int length = 0)
    {
        ArgumentNullException.ThrowIfNull(model);
        this.model = model;
        batcher = new(sentences, masking, rows, length == 0 ? model.Positions : length, Seed);
        batch = new(batcher.Rows, batcher.Length, batcher.Masked);
        ranking = new(model.Backend.Memory);
    }

    /// <summary>Measures the model as it is.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public BertEvaluation Run(CancellationToken cancellation = default)
    {
        CompiledGraph graph = model.EvaluationGraph(batcher.Rows, batcher.Length, batcher.Masked);
        float[] nextLogits = new float[2 * batch.Rows];
        double loss = 0, nextLoss = 0;
        long correct = 0, tokens = 0;
        int told = 0;
        for (int i = 0; i < batcher.BatchCount; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            batcher.Fill(i, batch);
            batch.Feed(graph);
            graph.Forward();
            loss += Batch.FetchLoss(graph);
            tokens += batch.Labels.LongCount(label => label != Batch.IgnoredLabel);
            correct += ranking.CountFirst(graph, batch.Labels);
            nextLoss += NextLoss(graph);
            graph.Fetch<float>("nextLogits", nextLogits);
            for (int row = 0; row < batch.Rows; row++)
            {
                int guess = nextLogits[(2 * row) + 1] > nextLogits[2 * row] ? 1 : 0;
                if (guess == batch.NextLabels[row]) told++;
            }
        }

        int pairs = batcher.BatchCount * batch.Rows;
        return new(new(loss / tokens, (double)correct / tokens, tokens), nextLoss / pairs,
            (double)told / pairs, pairs);
    }

    private static float NextLoss(CompiledGraph graph)
    {
        Span<float> loss = stackalloc float[1];
        graph.Fetch("nextLoss", loss);
        return loss[0];
    }
}
