using System.Globalization;

namespace Transformer.Models.Training;

/// <summary>Where a training stands: with weights and moments, all that resuming needs.</summary>
/// <remarks>Random numbers need no further state: the order of the data depends on (seed, epoch)
/// and dropout on (seed, step).</remarks>
public sealed record TrainingState
{
    /// <summary>Updates made; also the step of AdamW's bias correction.</summary>
    public long Step { get; internal set; }

    /// <summary>Epoch of the next batch, from 0 on.</summary>
    public int Epoch { get; internal set; }

    /// <summary>Index of the next batch in its epoch.</summary>
    public int Batch { get; internal set; }

    /// <summary>Labels learned from so far.</summary>
    public long TokensSeen { get; internal set; }

    /// <summary>Seconds of training so far, earlier runs included.</summary>
    public double Seconds { get; internal set; }

    /// <summary>Step of the last validation; 0 before the first.</summary>
    public long ValidatedStep { get; internal set; }

    /// <summary>Step of the best validation; 0 before the first.</summary>
    public long BestStep { get; internal set; }

    /// <summary>
    /// The best validation's figure as <see cref="TrainingOptions.BestBy"/> names it, a loss with
    /// its sign turned; −∞ before the first.
    /// </summary>
    public double BestScore { get; internal set; } = double.NegativeInfinity;

    /// <summary>Validations since the best one.</summary>
    public int ValidationsSinceBest { get; internal set; }

    internal void Write(Action<string, string> set)
    {
        set("step", Text(Step));
        set("epoch", Text(Epoch));
        set("batch", Text(Batch));
        set("tokensSeen", Text(TokensSeen));
        set("seconds", Text(Seconds));
        set("validatedStep", Text(ValidatedStep));
        set("bestStep", Text(BestStep));
        set("bestScore", Text(BestScore));
        set("validationsSinceBest", Text(ValidationsSinceBest));
    }

    /// <summary>Reads what <see cref="Write"/> wrote; <paramref name="get"/> throws where a key
    /// is absent, <paramref name="refuse"/> makes the exception for a bad value.</summary>
    internal static TrainingState Read(
        Func<string, string> get, Func<string, string, Exception> refuse)
    {
        TrainingState state = new()
        {
            Step = Whole("step"),
            Epoch = (int)Math.Min(Whole("epoch"), int.MaxValue),
            Batch = (int)Math.Min(Whole("batch"), int.MaxValue),
            TokensSeen = Whole("tokensSeen"),
            Seconds = Number("seconds"),
            ValidatedStep = Whole("validatedStep"),
            BestStep = Whole("bestStep"),
            BestScore = Number("bestScore"),
            ValidationsSinceBest = (int)Math.Min(Whole("validationsSinceBest"), int.MaxValue),
        };
        return state;

        long Whole(string key) =>
            long.TryParse(get(key), NumberStyles.None, CultureInfo.InvariantCulture, out long v)
                ? v : throw refuse(key, get(key));

        double Number(string key) =>
            double.TryParse(get(key), NumberStyles.Float, CultureInfo.InvariantCulture,
                out double v) && !double.IsNaN(v)
                ? v : throw refuse(key, get(key));
    }

    private static string Text<T>(T value) where T : IFormattable =>
        value.ToString(null, CultureInfo.InvariantCulture);
}
