using System.Globalization;
using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// output[i] = input[i] / (1 − p) where the random number of element i is ≥ p, else 0.
/// </summary>
/// <remarks>
/// Srivastava et al. 2014. Element i's number is word i of Philox stream (seed, stream, step), so
/// the mask is the same on every backend and needs no storage: the backward pass draws it again.
/// Seed and step lie in a buffer because a compiled graph is replayed with new ones each step.
/// </remarks>
public readonly record struct DropoutForward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "Dropout";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>[Length].</summary>
    public BufferView Input { get; init; }

    /// <summary>[Length]; may be the input itself.</summary>
    public BufferView Output { get; init; }

    /// <summary>[2] Int64: seed, step.</summary>
    public BufferView RandomState { get; init; }

    /// <summary>Elements.</summary>
    public long Length { get; init; }

    /// <summary>p in [0, 1).</summary>
    public float Probability { get; init; }

    /// <summary>Tells this dropout from the others of a model.</summary>
    public uint Stream { get; init; }

    /// <inheritdoc/>
    public void Validate() => DropoutChecks.All(
        "input", Input, "output", Output, RandomState, Length, Probability);
}

/// <summary>
/// inputGradient[i] = outputGradient[i] / (1 − p) where element i was kept, else 0.
/// </summary>
public readonly record struct DropoutBackward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "Dropout";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Backward;

    /// <summary>[Length].</summary>
    public BufferView OutputGradient { get; init; }

    /// <summary>[Length]; may be the output's gradient itself.</summary>
    public BufferView InputGradient { get; init; }

    /// <summary>[2] Int64: seed, step of the forward call.</summary>
    public BufferView RandomState { get; init; }

    /// <summary>Elements.</summary>
    public long Length { get; init; }

    /// <summary>p in [0, 1).</summary>
    public float Probability { get; init; }

    /// <summary>The stream of the forward call.</summary>
    public uint Stream { get; init; }

    /// <inheritdoc/>
    public void Validate() => DropoutChecks.All(
        "outputGradient", OutputGradient, "inputGradient", InputGradient, RandomState, Length,
        Probability);
}

internal static class DropoutChecks
{
    private const string Op = "Dropout";

    public static void All(
        string inputName, BufferView input, string outputName, BufferView output,
        BufferView randomState, long length, float probability)
    {
        OpCheck.NotNegative(Op, "Length", length);
        OpCheck.Floats(Op, inputName, input, length, $"[{length}]");
        OpCheck.Floats(Op, outputName, output, length, $"[{length}]");
        OpCheck.Exactly(Op, "randomState", randomState, 2, "[2]");
        if (randomState.DType != DType.Int64)
        {
            OpCheck.Throw(Op, $"'randomState' is {randomState.DType}; expected Int64: seed, " +
                "step. Convert it first.");
        }

        if (!(probability >= 0 && probability < 1))
        {
            OpCheck.Throw(Op, string.Create(CultureInfo.InvariantCulture,
                $"'Probability' is {probability}; expected a number from 0 up to but not " +
                $"including 1. Use 0 for none."));
        }

        OpCheck.NoOverlap(Op, outputName, output, inputName, input, inPlaceAllowed: true);
        OpCheck.NoOverlap(Op, outputName, output, "randomState", randomState);
    }
}
