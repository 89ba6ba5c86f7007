namespace Transformer.Models.Training;

/// <content>Saving and resuming.</content>
public partial class Trainer
{
    private bool IsCheckpointDue =>
        folder is not null && State.Step > 0 && savedStep != State.Step
        && (options.CheckpointEvery > 0
            ? State.Step % options.CheckpointEvery == 0
            : State.Batch == 0);

    /// <summary>Goes on from the newest whole checkpoint of the folder, if there is one.</summary>
    /// <param name="observer">Hears of damaged checkpoints that were passed over; optional.
    /// </param>
    /// <returns>The checkpoint's file; null where the folder has none, so that training starts
    /// anew.</returns>
    /// <exception cref="InvalidOperationException">No folder was given.</exception>
    /// <exception cref="InvalidDataException">All checkpoints are damaged, or the newest whole
    /// one belongs to another model configuration, other data or other options; limits, and when
    /// to validate and save, may differ.</exception>
    /// <exception cref="IOException">A checkpoint cannot be read.</exception>
    public string? Resume(ITrainingObserver? observer = null)
    {
        if (folder is null)
        {
            throw new InvalidOperationException(
                "Trainer: there is no folder to resume from. Give one to the constructor.");
        }

        using Checkpoint? checkpoint =
            folder.OpenNewest(out IReadOnlyList<DamagedCheckpoint> damaged);
        foreach (DamagedCheckpoint passedOver in damaged) observer?.PassedOver(passedOver);
        if (checkpoint is null)
        {
            return damaged.Count == 0 ? null : throw new InvalidDataException(
                $"Resume: every checkpoint in '{folder.Path}' is damaged; the newest: " +
                damaged[0].Reason);
        }

        checkpoint.RequireConfig(task.ConfigJson);
        RequireSameTraining(checkpoint);
        checkpoint.Restore(task.Parameters);
        State = checkpoint.State;
        savedStep = State.Step;
        return checkpoint.Path;
    }

    private void RequireSameTraining(Checkpoint checkpoint)
    {
        if (checkpoint.DataFingerprint != task.DataFingerprint)
        {
            throw new InvalidDataException(
                $"Checkpoint '{checkpoint.Path}': it was trained on data with fingerprint " +
                $"{checkpoint.DataFingerprint}; these have {task.DataFingerprint}. Give the same " +
                "texts, tokenizer and length limit, or train anew in another folder.");
        }

        if (checkpoint.Options.FirstFixedDifference(options) is { } difference)
        {
            throw new InvalidDataException(
                $"Checkpoint '{checkpoint.Path}': training option '{difference.Name}' is " +
                $"{difference.This} in the checkpoint and {difference.Other} now. Resume with " +
                "the same value, or train anew in another folder.");
        }
    }

    private void RequireOwnFolder()
    {
        if (folder is null || savedStep >= 0 || folder.Steps is not [.., long newest]) return;
        throw new InvalidDataException(
            $"Training: '{folder.Path}' holds checkpoints up to step {newest} of an earlier " +
            "training. Resume it, or choose another folder.");
    }

    private void ValidateAndSaveWhereDue(CancellationToken cancellation)
    {
        bool best = false;
        if (State.Step > 0 && IsValidationDue) TryValidate(cancellation, out best);
        if (IsCheckpointDue || (best && folder is not null)) Save();
    }

    private void Save()
    {
        if (folder is null) return;
        State.Seconds = meter.Elapsed.TotalSeconds;
        Directory.CreateDirectory(folder.Path);
        string file = folder.FileOf(State.Step);
        Checkpoint.Save(
            file, task.Parameters, State, options, task.ConfigJson, task.DataFingerprint);
        savedStep = State.Step;
        folder.Rotate(State.Step, options.KeepCheckpoints, State.BestStep);
        observer?.Saved(file);
        meter.Skip();
    }
}
