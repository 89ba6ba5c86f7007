using Transformer.Models.Graph;

namespace Transformer.Models.Training;

/// <summary>Measures a decoder-only model on a text, cut into windows side by side: every token
/// but the first is predicted once, from those before it in its window.</summary>
/// <remarks>Not safe for use by several threads at once.</remarks>
public sealed class GptEvaluator
{
    private readonly IGptTrainingModel model;
    private readonly TokenDataset text;
    private readonly int rows;
    private readonly int length;
    private readonly int[] ids;
    private readonly int[] labels;
    private readonly LabelRanking ranking;

    /// <summary>Prepares the measurement.</summary>
    /// <param name="model">The model, measured as it is at each <see cref="Run"/>.</param>
    /// <param name="text">The text.</param>
    /// <param name="rows">Windows that are measured together.</param>
    /// <param name="length">Tokens of a window; 0: the model's positions.</param>
    /// <exception cref="ArgumentException">A size is not positive or exceeds the model's
    /// positions.</exception>
    public GptEvaluator(IGptTrainingModel model, TokenDataset text, int rows = 16, int length = 0)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(text);
        this.model = model;
        this.text = text;
        this.length = length == 0 ? model.Positions : length;
        int windows = (text.Count - 2 + this.length) / this.length;
        this.rows = Math.Min(rows, windows);
        ids = new int[this.rows * this.length];
        labels = new int[ids.Length];
        ranking = new(model.Backend.Memory);
    }

    /// <summary>Measures the model as it is.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public EvaluationResult Run(CancellationToken cancellation = default)
    {
        CompiledGraph graph = model.EvaluationGraph(rows, length);
        double loss = 0;
        long correct = 0;
        int tokens = text.Count - 1;
        for (int start = 0; start < tokens; start += ids.Length)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = Math.Min(ids.Length, tokens - start);
            ids.AsSpan(count).Clear();
            labels.AsSpan(count).Fill(Batch.IgnoredLabel);
            text.Ids.Slice(start, count).CopyTo(ids);
            text.Ids.Slice(start + 1, count).CopyTo(labels);
            graph.Feed<int>("ids", ids);
            graph.Feed<int>("labels", labels);
            graph.Forward();
            loss += Batch.FetchLoss(graph);
            correct += ranking.CountFirst(graph, labels);
        }

        return new(loss / tokens, (double)correct / tokens, tokens);
    }
}
