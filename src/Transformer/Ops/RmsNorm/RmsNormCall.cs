using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// sum = input + residual; output = sum / √(mean(sum²) + ε) ⊙ weight, over each row.
/// </summary>
/// <remarks>Zhang, Sennrich: "Root Mean Square Layer Normalization", 2019.</remarks>
public readonly record struct RmsNormForward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "RmsNorm";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>[Rows, Width].</summary>
    public BufferView Input { get; init; }

    /// <summary>[Rows, Width], added to the input first; optional.</summary>
    public BufferView Residual { get; init; }

    /// <summary>[Width]; absent means ones.</summary>
    public BufferView Weight { get; init; }

    /// <summary>[Rows, Width], receives input + residual; optional; may be the input or the
    /// residual itself.</summary>
    public BufferView Sum { get; init; }

    /// <summary>[Rows, Width]; may be the input itself.</summary>
    public BufferView Output { get; init; }

    /// <summary>[Rows], receives 1/√(mean(sum²) + ε); optional.</summary>
    public BufferView InverseRms { get; init; }

    /// <summary>Rows: tokens.</summary>
    public int Rows { get; init; }

    /// <summary>Width of a row.</summary>
    public int Width { get; init; }

    /// <summary>ε; null means the default 1e-5.</summary>
    public double? Epsilon { get; init; }

    /// <summary>ε with the default filled in.</summary>
    public double EffectiveEpsilon => Epsilon ?? 1e-5;

    /// <inheritdoc/>
    public void Validate()
    {
        OpCheck.NotNegative(Op, nameof(Rows), Rows);
        OpCheck.Positive(Op, nameof(Width), Width);
        OpCheck.InRange(Op, nameof(Epsilon), EffectiveEpsilon, 0, 1);
        long count = (long)Rows * Width;
        ShapeText shape = $"[{Rows}, {Width}]";
        ShapeText match = $"[{Width}] to match input [{Rows}, {Width}]";
        OpCheck.Floats(Op, "input", Input, count, shape);
        OpCheck.FloatsOrAbsent(Op, "residual", Residual, count, shape);
        OpCheck.FloatsOrAbsent(Op, "weight", Weight, Width, match);
        OpCheck.FloatsOrAbsent(Op, "sum", Sum, count, shape);
        OpCheck.Floats(Op, "output", Output, count, shape);
        OpCheck.FloatsOrAbsent(Op, "inverseRms", InverseRms, Rows, $"[{Rows}]");
        OpCheck.NoOverlap(Op, "output", Output, "input", Input, inPlaceAllowed: true);
        OpCheck.NoOverlap(Op, "output", Output, "residual", Residual);
        OpCheck.NoOverlap(Op, "output", Output, "sum", Sum);
        OpCheck.NoOverlap(Op, "output", Output, "weight", Weight);
        OpCheck.NoOverlap(Op, "sum", Sum, "input", Input, inPlaceAllowed: true);
        OpCheck.NoOverlap(Op, "sum", Sum, "residual", Residual, inPlaceAllowed: true);
        OpCheck.NoOverlap(Op, "sum", Sum, "weight", Weight);
        OpCheck.Apart(
            Op,
            [("inverseRms", InverseRms)],
            [("output", Output), ("sum", Sum), ("input", Input), ("residual", Residual),
                ("weight", Weight)]);
    }
}

/// <summary>
/// With x̂ = sum·inverseRms and g = outputGradient ⊙ weight:
/// inputGradient = inverseRms·(g − x̂·avg(g ⊙ x̂)) + sumGradient. It is the residual's
/// gradient, too.
/// weightGradient += Σ outputGradient ⊙ x̂.
/// </summary>
public readonly record struct RmsNormBackward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "RmsNorm";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Backward;

    /// <summary>[Rows, Width]: input + residual of the forward call.</summary>
    public BufferView Sum { get; init; }

    /// <summary>[Width]; absent means ones.</summary>
    public BufferView Weight { get; init; }

    /// <summary>[Rows] of the forward call.</summary>
    public BufferView InverseRms { get; init; }

    /// <summary>[Rows, Width].</summary>
    public BufferView OutputGradient { get; init; }

    /// <summary>[Rows, Width]: what reaches the sum from its other consumers; optional.</summary>
    public BufferView SumGradient { get; init; }

    /// <summary>[Rows, Width], overwritten; may be the output's or the sum's gradient itself.
    /// </summary>
    public BufferView InputGradient { get; init; }

    /// <summary>[Width], added to; absent: not computed.</summary>
    public BufferView WeightGradient { get; init; }

    /// <summary>Rows: tokens.</summary>
    public int Rows { get; init; }

    /// <summary>Width of a row.</summary>
    public int Width { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        OpCheck.NotNegative(Op, nameof(Rows), Rows);
        OpCheck.Positive(Op, nameof(Width), Width);
        long count = (long)Rows * Width;
        ShapeText shape = $"[{Rows}, {Width}]";
        OpCheck.Floats(Op, "sum", Sum, count, shape);
        OpCheck.FloatsOrAbsent(Op, "weight", Weight, Width, $"[{Width}]");
        OpCheck.Floats(Op, "inverseRms", InverseRms, Rows, $"[{Rows}]");
        OpCheck.Floats(Op, "outputGradient", OutputGradient, count, shape);
        OpCheck.FloatsOrAbsent(Op, "sumGradient", SumGradient, count, shape);
        OpCheck.Floats(Op, "inputGradient", InputGradient, count, shape);
        OpCheck.FloatsOrAbsent(Op, "weightGradient", WeightGradient, Width, $"[{Width}]");
        OpCheck.NoOverlap(
            Op, "inputGradient", InputGradient, "outputGradient", OutputGradient, true);
        OpCheck.NoOverlap(Op, "inputGradient", InputGradient, "sumGradient", SumGradient, true);
        OpCheck.Apart(
            Op,
            [("inputGradient", InputGradient), ("weightGradient", WeightGradient)],
            [("sum", Sum), ("weight", Weight), ("inverseRms", InverseRms)]);
        OpCheck.Apart(
            Op,
            [("weightGradient", WeightGradient)],
            [("outputGradient", OutputGradient), ("sumGradient", SumGradient)]);
    }
}
