namespace Transformer.Models.Training;

/// <summary>What a validation found.</summary>
/// <param name="Step">The step after which it ran.</param>
/// <param name="Loss">Cross entropy in nats a token, without label smoothing.</param>
/// <param name="Accuracy">Share of the tokens, in [0, 1], that the model ranks first, given the
/// true tokens before them.</param>
/// <param name="Tokens">Tokens predicted.</param>
/// <param name="Metrics">Further figures of <see cref="Trainer.Metrics"/>.</param>
public sealed record ValidationResult(
    long Step, double Loss, double Accuracy, long Tokens,
    IReadOnlyDictionary<string, double> Metrics)
{
    /// <summary>The name of <see cref="Loss"/> in <see cref="TrainingOptions.BestBy"/>.</summary>
    public const string LossName = "loss";

    /// <summary>The name of <see cref="Accuracy"/> in <see cref="TrainingOptions.BestBy"/>.
    /// </summary>
    public const string AccuracyName = "accuracy";

    /// <summary>e to the loss.</summary>
    public double Perplexity => Math.Exp(Loss);

    /// <summary>A figure by name, turned so that higher is better.</summary>
    /// <exception cref="ArgumentException">No figure has that name.</exception>
    internal double Score(string name) => name switch
    {
        LossName => -Loss,
        AccuracyName => Accuracy,
        _ => Metrics.TryGetValue(name, out double value) ? value : throw new ArgumentException(
            $"TrainingOptions: 'bestBy' is '{name}'; the validation gives " +
            $"{string.Join(", ", new[] { LossName, AccuracyName }.Concat(Metrics.Keys))}."),
    };
}
