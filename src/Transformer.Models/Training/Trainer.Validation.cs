using System.Collections.ObjectModel;

namespace Transformer.Models.Training;

/// <content>Validation and the best weights.</content>
public partial class Trainer
{
    private float[][]? bestWeights;

    private bool IsValidated => !task.HasValidation || State.ValidatedStep == State.Step;

    private bool IsValidationDue => !IsValidated && (options.ValidateEvery > 0
        ? State.Step % options.ValidateEvery == 0
        : State.Batch == 0);

    /// <summary>Loss and accuracy of the model as it is on the validation data.</summary>
    /// <exception cref="InvalidOperationException">There are no validation data.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public ValidationResult Validate(CancellationToken cancellation = default)
    {
        if (!task.HasValidation)
        {
            throw new InvalidOperationException(
                "Trainer: there are no validation data. Give some to the constructor.");
        }

        EvaluationResult result = task.Evaluate(cancellation);
        return new(
            State.Step, result.Loss, result.Accuracy, result.Tokens,
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
                "Trainer: there is no best step before the first validation.");
        }

        if (folder is not null)
        {
            using Checkpoint checkpoint = Checkpoint.Open(folder.FileOf(State.BestStep));
            checkpoint.RestoreWeights(task.Parameters);
            return State.BestStep;
        }

        for (int i = 0; i < task.Parameters.All.Count; i++)
            task.Parameters.All[i].CopyFrom(bestWeights![i]);
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
        bestWeights ??= [.. task.Parameters.All.Select(p => new float[p.Shape.ElementCount])];
        for (int i = 0; i < bestWeights.Length; i++)
            task.Parameters.All[i].CopyTo(bestWeights[i]);
    }
}
