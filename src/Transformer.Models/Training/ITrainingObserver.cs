namespace Transformer.Models.Training;

/// <summary>Hears what happens in a training; every method may be left out.</summary>
/// <remarks>Called on the thread that trains, which waits meanwhile.</remarks>
public interface ITrainingObserver
{
    /// <summary>An update was made.</summary>
    void Stepped(in TrainingProgress progress)
    {
    }

    /// <summary>A validation ended.</summary>
    /// <param name="result">What it found.</param>
    /// <param name="best">Whether it is the best so far.</param>
    void Validated(ValidationResult result, bool best)
    {
    }

    /// <summary>A checkpoint was written.</summary>
    void Saved(string path)
    {
    }

    /// <summary>A damaged checkpoint was passed over in search of a whole one.</summary>
    void PassedOver(DamagedCheckpoint checkpoint)
    {
    }
}

/// <summary>How a training goes, after one step.</summary>
public readonly record struct TrainingProgress
{
    /// <summary>Updates made.</summary>
    public long Step { get; init; }

    /// <summary>Epoch of the step's data, from 0 on.</summary>
    public int Epoch { get; init; }

    /// <summary>Batches of the epoch that were used.</summary>
    public int Batch { get; init; }

    /// <summary>Batches of the epoch.</summary>
    public int BatchesInEpoch { get; init; }

    /// <summary>Training loss of this step, label smoothing included, in nats a token.</summary>
    public double Loss { get; init; }

    /// <summary>Mean of the losses of this run that halves the weight of a step every 35 steps.
    /// </summary>
    public double SmoothedLoss { get; init; }

    /// <summary>The learning rate of this step.</summary>
    public double LearningRate { get; init; }

    /// <summary>Norm of the gradient before clipping.</summary>
    public double GradientNorm { get; init; }

    /// <summary>Target tokens a second, lately.</summary>
    public double TokensPerSecond { get; init; }

    /// <summary>Time of training, earlier runs included.</summary>
    public TimeSpan Elapsed { get; init; }

    /// <summary>Time until the first limit; null where it cannot be foreseen.</summary>
    public TimeSpan? TimeLeft { get; init; }

    /// <summary>The share that is done, in [0, 1]: by steps, or by time where that ends first.
    /// </summary>
    public double Done { get; init; }
}

/// <summary>Why a training ended.</summary>
public enum TrainingEnd
{
    /// <summary>All epochs were trained.</summary>
    Epochs,

    /// <summary>The step limit was reached.</summary>
    Steps,

    /// <summary>The time limit was reached.</summary>
    Minutes,

    /// <summary>The validations did not get better any more.</summary>
    Patience,

    /// <summary>It was cancelled, and can be resumed where a folder was given.</summary>
    Cancelled,
}

/// <summary>The loss or the gradient became NaN or infinite.</summary>
public sealed class NonFiniteTrainingException : ArithmeticException
{
    /// <summary>Says at which step, and where.</summary>
    /// <param name="step">The step that was not made; 1 for the first one.</param>
    /// <param name="what">What is not finite, with its value.</param>
    /// <param name="location">The node, input or parameter that holds the first such value; null
    /// where only the sum of several gradients overflowed.</param>
    public NonFiniteTrainingException(long step, string what, string? location)
        : base($"Training: {what} at step {step}; first found in " +
            $"{location ?? "the sum of the gradients"}. Lower the learning rate, warm up for " +
            "longer, or clip the gradient, and resume from the last checkpoint.")
    {
        Step = step;
        Location = location;
    }

    /// <summary>The step that was not made; 1 for the first one.</summary>
    public long Step { get; }

    /// <summary>The node, input or parameter that holds the first such value, if known.</summary>
    public string? Location { get; }
}
