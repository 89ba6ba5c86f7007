using Transformer.Backends;
using Transformer.Models.Graph;

namespace Transformer.Models.Training;

/// <summary>What <see cref="BertTrainer"/> needs of an encoder-only model.</summary>
public interface IBertTrainingModel
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
    /// <param name="masked">M: places a text has for tokens to guess.</param>
    /// <param name="labelSmoothing">ε of the loss of masked tokens; the same at each call.</param>
    /// <returns>A graph with the Int32 inputs "ids" and "segments" [B, T], "lengths" [B],
    /// "maskedRows" [B, M], the rows of the B·T that are guessed, "labels" [B, M], −1 where
    /// nothing counts, and "nextLabels" [B], 0 where the second text follows, 1 where not, −1
    /// where it does not count; and "lossGradient" [1]. Its output "loss" [1] is the mean over the
    /// labels that count plus the mean over the texts.</returns>
    CompiledGraph TrainingGraph(int batch, int length, int masked, double labelSmoothing);

    /// <summary>The graph of a shape without dropout and smoothing, the same one at each call.
    /// </summary>
    /// <param name="batch">B.</param>
    /// <param name="length">T.</param>
    /// <param name="masked">M.</param>
    /// <returns>A graph with the same inputs but "lossGradient", and the outputs "loss" [1] and
    /// "nextLoss" [1], sums, "logits" [B, M, V] and "nextLogits" [B, 1, 2].</returns>
    CompiledGraph EvaluationGraph(int batch, int length, int masked);
}
