using Transformer.Backends;
using Transformer.Models.Graph;

namespace Transformer.Models.Training;

/// <summary>What <see cref="ClassifierTrainer"/> needs of a model that tells classes of texts.
/// </summary>
public interface IClassifierTrainingModel
{
    /// <summary>The weights that are trained, allocated.</summary>
    ParameterSet Parameters { get; }

    /// <summary>What the graphs run on.</summary>
    Backend Backend { get; }

    /// <summary>The configuration as a JSON object; checkpoints are checked against it.</summary>
    string ConfigJson { get; }

    /// <summary>The longest text, special tokens included.</summary>
    int Positions { get; }

    /// <summary>The training graph of a shape, the same one at each call.</summary>
    /// <param name="batch">B.</param>
    /// <param name="length">T.</param>
    /// <param name="labelSmoothing">ε of the loss; the same at each call.</param>
    /// <returns>A graph with the Int32 inputs "ids" and "segments" [B, T], "lengths" and "labels"
    /// [B], the latter −1 where nothing counts, and "lossGradient" [1]; its output "loss" [1] is
    /// the sum over the labels that count.</returns>
    CompiledGraph TrainingGraph(int batch, int length, double labelSmoothing);

    /// <summary>The graph of a shape without dropout and smoothing, the same one at each call.
    /// </summary>
    /// <param name="batch">B.</param>
    /// <param name="length">T.</param>
    /// <returns>A graph with the same inputs but "lossGradient", and the outputs "loss" [1], the
    /// sum, and "logits" [B, 1, classes].</returns>
    CompiledGraph EvaluationGraph(int batch, int length);
}
