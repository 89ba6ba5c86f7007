using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// One step of Adam with decoupled weight decay, in one pass: with g = gradient · gradientScale,
/// m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²;
/// parameter ← parameter·(1 − λη) − η·m̂ / (√v̂ + ε), m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ).
/// </summary>
/// <remarks>Loshchilov, Hutter: "Decoupled Weight Decay Regularization", 2019, algorithm 2, in
/// PyTorch's form (decay multiplied by the learning rate η).</remarks>
public readonly record struct AdamWForward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "AdamW";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>[Length], updated.</summary>
    public BufferView Parameter { get; init; }

    /// <summary>[Length].</summary>
    public BufferView Gradient { get; init; }

    /// <summary>[Length]: m, updated.</summary>
    public BufferView FirstMoment { get; init; }

    /// <summary>[Length]: v, updated.</summary>
    public BufferView SecondMoment { get; init; }

    /// <summary>[1]: multiplies the gradient (the clip scale); absent means 1.</summary>
    public BufferView GradientScale { get; init; }

    /// <summary>Elements.</summary>
    public long Length { get; init; }

    /// <summary>η.</summary>
    public double LearningRate { get; init; }

    /// <summary>β₁ in [0, 1).</summary>
    public double Beta1 { get; init; }

    /// <summary>β₂ in [0, 1).</summary>
    public double Beta2 { get; init; }

    /// <summary>ε, added to the root.</summary>
    public double Epsilon { get; init; }

    /// <summary>λ.</summary>
    public double WeightDecay { get; init; }

    /// <summary>t: 1 for the first step.</summary>
    public int Step { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        OpCheck.NotNegative(Op, nameof(Length), Length);
        OpCheck.FloatVector(Op, "parameter", Parameter, Length);
        OpCheck.FloatVector(Op, "gradient", Gradient, Length);
        OpCheck.FloatVector(Op, "firstMoment", FirstMoment, Length);
        OpCheck.FloatVector(Op, "secondMoment", SecondMoment, Length);
        OpCheck.FloatsOrAbsent(Op, "gradientScale", GradientScale, 1, "[1]");
        OpCheck.InRange(Op, nameof(LearningRate), LearningRate, 0, float.MaxValue);
        OpCheck.InRange(Op, nameof(Beta1), Beta1, 0, 0.9999999);
        OpCheck.InRange(Op, nameof(Beta2), Beta2, 0, 0.9999999);
        OpCheck.InRange(Op, nameof(Epsilon), Epsilon, 0, 1);
        OpCheck.InRange(Op, nameof(WeightDecay), WeightDecay, 0, float.MaxValue);
        if (Step < 1)
        {
            OpCheck.Throw(
                Op, $"'Step' is {Step}; expected 1 or more. Count the first step as 1.");
        }

        OpCheck.Apart(
            Op,
            [("parameter", Parameter), ("firstMoment", FirstMoment),
                ("secondMoment", SecondMoment)],
            [("gradient", Gradient), ("gradientScale", GradientScale)]);
    }
}
