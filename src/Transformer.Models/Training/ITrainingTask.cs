using Transformer.Models.Graph;

namespace Transformer.Models.Training;

/// <summary>A model with the data that it learns from and is validated on: what a
/// <see cref="Trainer"/> needs to know of them.</summary>
public interface ITrainingTask
{
    /// <summary>The weights that are trained, allocated.</summary>
    ParameterSet Parameters { get; }

    /// <summary>The model's configuration as a JSON object; checkpoints are checked against it.
    /// </summary>
    string ConfigJson { get; }

    /// <summary>Differs for other training data; checkpoints are checked against it.</summary>
    string DataFingerprint { get; }

    /// <summary>Whether <see cref="Evaluate"/> has data to measure on.</summary>
    bool HasValidation { get; }

    /// <summary>Batches of the epoch that is planned.</summary>
    int BatchCount { get; }

    /// <summary>Plans the batches of an epoch; they follow from data, options and number alone.
    /// </summary>
    /// <param name="epoch">0 or more.</param>
    void StartEpoch(int epoch);

    /// <summary>Labels that count in a batch of the epoch: its weight among the batches of a
    /// step, and what the sum of their losses is divided by.</summary>
    /// <param name="batch">0 to <see cref="BatchCount"/> − 1.</param>
    long Labels(int batch);

    /// <summary>Tokens that are learned from in a batch of the epoch, for progress alone.
    /// </summary>
    /// <param name="batch">0 to <see cref="BatchCount"/> − 1.</param>
    long Tokens(int batch) => Labels(batch);

    /// <summary>The training graph of a batch of the epoch, with the batch as its input.</summary>
    /// <param name="batch">0 to <see cref="BatchCount"/> − 1.</param>
    /// <returns>A graph with the input "lossGradient" [1], not yet fed, and the output "loss" [1]:
    /// the sum over the labels that count, or any loss that is worth so many.</returns>
    CompiledGraph Load(int batch);

    /// <summary>Measures the model as it is on the validation data.</summary>
    /// <exception cref="InvalidOperationException">There are none.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    EvaluationResult Evaluate(CancellationToken cancellation);
}
