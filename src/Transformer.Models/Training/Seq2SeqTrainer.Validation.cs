using System.Collections.ObjectModel;
using System.Numerics.Tensors;
using Transformer.Models.Graph;

namespace Transformer.Models.Training;

/// <content>Validation and the best weights.</content>
public sealed partial class Seq2SeqTrainer
{
    private float[] logitsOnHost = [];
    private float[][]? bestWeights;

    private bool IsValidated => validationBatches is null || State.ValidatedStep == State.Step;

    private bool IsValidationDue => !IsValidated && (options.ValidateEvery > 0
        ? State.Step % options.ValidateEvery == 0
        : State.Batch == 0);

    /// <summary>Loss and accuracy of the model as it is on the validation pairs.</summary>
    /// <exception cref="InvalidOperationException">There are no validation pairs.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public ValidationResult Validate(CancellationToken cancellation = default)
    {
        if (validationBatches is null)
        {
            throw new InvalidOperationException(
                "Seq2SeqTrainer: there are no validation pairs. Give some to the constructor.");
        }

        double loss = 0;
        long tokens = 0, correct = 0;
        for (int i = 0; i < validationBatches.BatchCount; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            validationBatches.Fill(i, batch);
            BatchShape shape = batch.Shape;
            CompiledGraph graph =
                model.EvaluationGraph(shape.Rows, shape.SourceLength, shape.TargetLength);
            Feed(graph);
            graph.Forward();
            loss += FetchLoss(graph);
            tokens += batch.TargetTokens;
            correct += CountCorrect(graph);
        }

        return new(
            State.Step, loss / tokens, (double)correct / tokens, tokens,
            Metrics?.Invoke() ?? ReadOnlyDictionary<string, double>.Empty);
    }

    /// <summary>Puts the weights of the best validation back into the model.</summary>
    /// <remarks>Moments and state stay: this is for using the model, not for training on.
    /// </remarks>
    /// <returns>The step they come from.</returns>
    /// <exception cref="InvalidOperationException">No validation has run.</exception>
    /// <exception cref="FileNotFoundException">The best checkpoint is gone.</exception>
    /// <exception cref="InvalidDataException">The best checkpoint is damaged.</exception>
    public long RestoreBest()
    {
        if (State.BestStep == 0)
        {
            throw new InvalidOperationException(
                "Seq2SeqTrainer: there is no best step before the first validation.");
        }

        if (folder is not null)
        {
            using Checkpoint checkpoint = Checkpoint.Open(folder.FileOf(State.BestStep));
            checkpoint.RestoreWeights(model.Parameters);
            return State.BestStep;
        }

        for (int i = 0; i < model.Parameters.All.Count; i++)
            model.Parameters.All[i].CopyFrom(bestWeights![i]);
        return State.BestStep;
    }

    /// <summary>Validates; false where that was cancelled, and so is still due when training is
    /// resumed.</summary>
    private bool TryValidate(CancellationToken cancellation, out bool best)
    {
        best = false;
        try
        {
            best = ValidateAndRank(cancellation);
            return true;
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return false;
        }
    }

    /// <summary>Validates and takes note of a new best; true where it is one.</summary>
    private bool ValidateAndRank(CancellationToken cancellation)
    {
        ValidationResult result = Validate(cancellation);
        double score = result.Score(options.BestBy);
        State.ValidatedStep = State.Step;
        bool best = score > State.BestScore;
        if (best)
        {
            State.BestScore = score;
            State.BestStep = State.Step;
            State.ValidationsSinceBest = 0;
            if (folder is null) KeepWeights();
            else if (savedStep == State.Step) savedStep = -1;
        }
        else
        {
            State.ValidationsSinceBest++;
        }

        observer?.Validated(result, best);
        meter.Skip();
        return best;
    }

    private void KeepWeights()
    {
        bestWeights ??= [.. model.Parameters.All.Select(p => new float[p.Shape.ElementCount])];
        for (int i = 0; i < bestWeights.Length; i++)
            model.Parameters.All[i].CopyTo(bestWeights[i]);
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
