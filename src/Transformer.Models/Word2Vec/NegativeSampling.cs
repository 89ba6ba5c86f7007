using System.Numerics.Tensors;

namespace Transformer.Models.Word2Vec;

/// <summary>One step of learning: a vector h, a word that belongs to it and words that do not.
/// </summary>
/// <remarks>Mikolov et al., "Distributed Representations of Words and Phrases and their
/// Compositionality" (2013), equation 4: the loss is −ln σ(u_o·h) − Σ ln σ(−u_n·h), u the output
/// vectors, o the word and n the noise.</remarks>
internal static class NegativeSampling
{
    /// <summary>Moves output vectors down their gradients and adds h's to a sum.</summary>
    /// <param name="hidden">h [D].</param>
    /// <param name="outputs">Output vectors [V, D].</param>
    /// <param name="word">The word that belongs to h.</param>
    /// <param name="noise">The words that do not; the word itself among them is passed over.
    /// </param>
    /// <param name="rate">Length of the step.</param>
    /// <param name="step">[D]; −rate·∂loss/∂h, at the outputs before they move, is added.</param>
    /// <returns>The loss before the step.</returns>
    public static double Step(
        ReadOnlySpan<float> hidden, float[] outputs, int word, ReadOnlySpan<int> noise,
        float rate, Span<float> step)
    {
        double loss = Learn(hidden, Row(outputs, word, hidden.Length), 1, rate, step);
        foreach (int other in noise)
        {
            if (other != word)
                loss += Learn(hidden, Row(outputs, other, hidden.Length), 0, rate, step);
        }

        return loss;
    }

    /// <summary>A row of a matrix.</summary>
    public static Span<float> Row(float[] matrix, int row, int width) =>
        matrix.AsSpan(row * width, width);

    private static double Learn(
        ReadOnlySpan<float> hidden, Span<float> output, int label, float rate, Span<float> step)
    {
        float product = TensorPrimitives.Dot<float>(hidden, output);
        double power = Math.Exp(-Math.Abs(product));
        double sigmoid = (product < 0 ? power : 1) / (1 + power);
        float slope = (float)((label - sigmoid) * rate);
        TensorPrimitives.MultiplyAdd<float>(output, slope, step, step);
        TensorPrimitives.MultiplyAdd<float>(hidden, slope, output, output);
        // −ln σ(±x) = ln(1 + e^(−|x|)) + max(0, ∓x).
        return Math.Log(1 + power) + Math.Max(0, label == 1 ? -product : product);
    }
}
