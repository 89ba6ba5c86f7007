using Transformer.Backends;
using Transformer.Models.Graph;

namespace Transformer.Models.Training;

/// <summary>What <see cref="GptTrainer"/> needs of a decoder-only model.</summary>
public interface IGptTrainingModel
{
    /// <summary>The weights that are trained, allocated.</summary>
    ParameterSet Parameters { get; }

    /// <summary>What the graphs run on.</summary>
    Backend Backend { get; }

    /// <summary>The configuration as a JSON object; checkpoints are checked against it.</summary>
    string ConfigJson { get; }

    /// <summary>The most tokens that the model sees at once.</summary>
    int Positions { get; }

    /// <summary>The training graph of a shape, the same one at each call.</summary>
    /// <param name="batch">B.</param>
    /// <param name="length">T.</param>
    /// <param name="labelSmoothing">ε of the loss; the same at each call.</param>
    /// <returns>A graph with the Int32 inputs "ids" and "labels" [B, T], the latter −1 where
    /// nothing counts, and "lossGradient" [1]; its output "loss" [1] is the sum over the labels
    /// that count.</returns>
    CompiledGraph TrainingGraph(int batch, int length, double labelSmoothing);

    /// <summary>The graph of a shape without dropout and smoothing, the same one at each call.
    /// </summary>
    /// <param name="batch">B.</param>
    /// <param name="length">T.</param>
    /// <returns>A graph with the same inputs but "lossGradient", and the outputs "loss" [1], the
    /// sum, and "logits" [B, T, V].</returns>
    CompiledGraph EvaluationGraph(int batch, int length);
}
