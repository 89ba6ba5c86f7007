using Transformer.Models.Graph;

namespace Transformer.Models.Training;

/// <summary>
/// Trains a model: batches, gradient accumulation, clipping, AdamW, schedule, validation, early
/// stop, checkpoints. What is trained, and on what, is its task.
/// </summary>
/// <remarks>
/// The loss of a step is the mean over the tokens of all its micro-batches, so accumulating over
/// k of them is the same as one batch k times as large. A training that was cancelled or killed
/// at any moment and resumed gives the same weights, bit for bit, as one that was not: on the
/// same backend, and on CPUs with any number of threads. Steps allocate nothing on the managed
/// heap once every shape of batch has occurred. Not safe for use by several threads at once.
/// </remarks>
public partial class Trainer : IDisposable
{
    // Keeps dropout's random numbers apart from those of a model initialised with the same seed.
    private const ulong DropoutSeed = 0x64726F706F757421;

    private readonly ITrainingTask task;
    private readonly TrainingOptions options;
    private readonly CheckpointFolder? folder;
    private readonly AdamWOptimizer optimizer;
    private readonly ILearningRateSchedule schedule;
    private readonly long stepsPerEpoch;
    private ITrainingObserver? observer;
    private ProgressMeter meter = new();
    private long savedStep = -1;
    private double smoothedSum, smoothedWeight;

    /// <summary>Prepares a training; nothing runs yet.</summary>
    /// <param name="task">The model, its weights initialised, and its data.</param>
    /// <param name="options">How to train.</param>
    /// <param name="folder">Where checkpoints go; null: none are written.</param>
    /// <exception cref="ArgumentException">An option is out of range, or patience is asked for
    /// without validation data.</exception>
    public Trainer(ITrainingTask task, TrainingOptions options, CheckpointFolder? folder = null)
    {
        ArgumentNullException.ThrowIfNull(task);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (options.Patience > 0 && !task.HasValidation)
        {
            throw new ArgumentException($"TrainingOptions: 'patience' is {options.Patience} but " +
                "there are no validation data. Give some, or set it to 0.");
        }

        this.task = task;
        this.options = options;
        this.folder = folder;
        task.StartEpoch(0);
        stepsPerEpoch = Steps(task.BatchCount);
        schedule = options.CreateSchedule(stepsPerEpoch);
        optimizer = new(task.Parameters, options);
    }

    /// <summary>Where the training stands; changes as it goes on.</summary>
    public TrainingState State { get; private set; } = new();

    /// <summary>
    /// Further figures of a validation, by name: BLEU, exact match. Called at each validation,
    /// with the model as it is then.
    /// </summary>
    public Func<IReadOnlyDictionary<string, double>>? Metrics { get; set; }

    /// <summary>Measures each kernel of the steps that follow; null: nothing is measured.</summary>
    public ExecutionProfile? Profile { get; set; }

    /// <summary>Trains until a limit is reached, training is cancelled or fails.</summary>
    /// <param name="observer">Hears of each step, validation and checkpoint; optional.</param>
    /// <param name="cancellation">Ends the training after the step at hand, with a checkpoint
    /// where a folder was given.</param>
    /// <returns>Why it ended.</returns>
    /// <exception cref="NonFiniteTrainingException">The loss or the gradient became NaN or
    /// infinite; the message names the step and the node.</exception>
    /// <exception cref="InvalidDataException">The folder holds checkpoints that were not
    /// resumed.</exception>
    /// <exception cref="IOException">A checkpoint could not be written.</exception>
    public TrainingEnd Run(
        ITrainingObserver? observer = null, CancellationToken cancellation = default)
    {
        RequireOwnFolder();
        this.observer = observer;
        meter = new(TimeSpan.FromSeconds(State.Seconds));
        task.StartEpoch(State.Epoch);
        while (true)
        {
            ValidateAndSaveWhereDue(cancellation);
            TrainingEnd? end =
                cancellation.IsCancellationRequested ? TrainingEnd.Cancelled : ReachedLimit();
            if (end is { } reached)
            {
                if (!IsValidated && !TryValidate(cancellation, out _))
                    reached = TrainingEnd.Cancelled;
                State.Seconds = meter.Elapsed.TotalSeconds;
                if (State.Step > 0 && savedStep != State.Step) Save();
                return reached;
            }

            Step();
        }
    }

    /// <summary>Returns the memory that the trainer owns; the model stays.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Returns the memory that the trainer owns.</summary>
    protected virtual void Dispose(bool disposing)
    {
        if (disposing) optimizer.Dispose();
    }

    private TrainingEnd? ReachedLimit()
    {
        if (options.Epochs > 0 && State.Epoch >= options.Epochs) return TrainingEnd.Epochs;
        if (options.MaxSteps > 0 && State.Step >= options.MaxSteps) return TrainingEnd.Steps;
        if (options.MaxMinutes > 0 && meter.Elapsed.TotalMinutes >= options.MaxMinutes)
            return TrainingEnd.Minutes;
        return options.Patience > 0 && State.ValidationsSinceBest >= options.Patience
            ? TrainingEnd.Patience : null;
    }

    private long Steps(int batches) =>
        (batches + options.AccumulationSteps - 1L) / options.AccumulationSteps;

    private long? StepsLeft()
    {
        long? left = options.MaxSteps > 0 ? options.MaxSteps - State.Step : null;
        if (options.Epochs == 0) return left;
        long byEpochs = ((options.Epochs - State.Epoch - 1) * stepsPerEpoch)
            + Steps(task.BatchCount - State.Batch);
        return Math.Min(left ?? long.MaxValue, Math.Max(0, byEpochs));
    }
}
