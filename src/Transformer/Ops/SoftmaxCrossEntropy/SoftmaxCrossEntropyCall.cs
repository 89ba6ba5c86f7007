using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>How the rows' losses become one number.</summary>
public enum LossReduction
{
    /// <summary>The mean over rows that are not ignored; 0 where all are.</summary>
    Mean,

    /// <summary>The sum.</summary>
    Sum,
}

/// <summary>
/// loss[r] = log-sum-exp(logits[r]) − (1 − ε)·logits[r, label] − ε·avg(logits[r]).
/// </summary>
/// <remarks>Cross entropy with label smoothing ε as PyTorch defines it: the target distribution is
/// (1 − ε)·one-hot + ε/Classes. No probabilities are stored.</remarks>
public readonly record struct SoftmaxCrossEntropyForward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "SoftmaxCrossEntropy";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>[Rows, Classes].</summary>
    public BufferView Logits { get; init; }

    /// <summary>[Rows] Int32, each in [0, Classes) or the ignored value.</summary>
    public BufferView Labels { get; init; }

    /// <summary>[Rows], 0 for ignored rows; optional.</summary>
    public BufferView RowLosses { get; init; }

    /// <summary>[Rows], log-sum-exp of each row's logits; needed by the backward pass.</summary>
    public BufferView LogSumExp { get; init; }

    /// <summary>[1], reduced.</summary>
    public BufferView Loss { get; init; }

    /// <summary>Rows: tokens.</summary>
    public int Rows { get; init; }

    /// <summary>Classes: the vocabulary.</summary>
    public int Classes { get; init; }

    /// <summary>ε in [0, 1].</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>Label of rows that do not count; null: none.</summary>
    public int? IgnoreIndex { get; init; }

    /// <summary>How the rows' losses become one number.</summary>
    public LossReduction Reduction { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        SoftmaxCrossEntropyChecks.Common(Logits, Labels, Rows, Classes, LabelSmoothing);
        OpCheck.FloatsOrAbsent(Op, "rowLosses", RowLosses, Rows, $"[{Rows}]");
        OpCheck.Floats(Op, "logSumExp", LogSumExp, Rows, $"[{Rows}]");
        OpCheck.Floats(Op, "loss", Loss, 1, "[1]");
        OpCheck.Defined(Op, nameof(Reduction), Reduction);
        OpCheck.Apart(
            Op,
            [("rowLosses", RowLosses), ("logSumExp", LogSumExp), ("loss", Loss)],
            [("logits", Logits), ("labels", Labels)]);
    }
}

/// <summary>
/// logitsGradient[r, c] = lossGradient · w · (softmax(logits[r])[c] − target[r, c]), where w is
/// 1/(rows that count) for the mean and 1 for the sum; 0 for ignored rows.
/// </summary>
public readonly record struct SoftmaxCrossEntropyBackward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "SoftmaxCrossEntropy";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Backward;

    /// <summary>[Rows, Classes].</summary>
    public BufferView Logits { get; init; }

    /// <summary>[Rows] Int32.</summary>
    public BufferView Labels { get; init; }

    /// <summary>[Rows] of the forward call.</summary>
    public BufferView LogSumExp { get; init; }

    /// <summary>[1]: gradient arriving at the loss; absent means 1.</summary>
    public BufferView LossGradient { get; init; }

    /// <summary>[Rows, Classes], overwritten; may be the logits themselves.</summary>
    public BufferView LogitsGradient { get; init; }

    /// <summary>Rows: tokens.</summary>
    public int Rows { get; init; }

    /// <summary>Classes: the vocabulary.</summary>
    public int Classes { get; init; }

    /// <summary>ε in [0, 1].</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>Label of rows that do not count; null: none.</summary>
    public int? IgnoreIndex { get; init; }

    /// <summary>The reduction of the forward call.</summary>
    public LossReduction Reduction { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        SoftmaxCrossEntropyChecks.Common(Logits, Labels, Rows, Classes, LabelSmoothing);
        OpCheck.Floats(Op, "logSumExp", LogSumExp, Rows, $"[{Rows}]");
        OpCheck.FloatsOrAbsent(Op, "lossGradient", LossGradient, 1, "[1]");
        OpCheck.Floats(Op, "logitsGradient", LogitsGradient, (long)Rows * Classes,
            $"[{Rows}, {Classes}]");
        OpCheck.Defined(Op, nameof(Reduction), Reduction);
        OpCheck.NoOverlap(Op, "logitsGradient", LogitsGradient, "logits", Logits, true);
        OpCheck.Apart(
            Op,
            [("logitsGradient", LogitsGradient)],
            [("labels", Labels), ("logSumExp", LogSumExp), ("lossGradient", LossGradient)]);
    }
}

internal static class SoftmaxCrossEntropyChecks
{
    private const string Op = "SoftmaxCrossEntropy";

    public static void Common(
        BufferView logits, BufferView labels, int rows, int classes, double labelSmoothing)
    {
        OpCheck.NotNegative(Op, "Rows", rows);
        OpCheck.Positive(Op, "Classes", classes);
        OpCheck.Floats(Op, "logits", logits, (long)rows * classes, $"[{rows}, {classes}]");
        OpCheck.Exactly(Op, "labels", labels, rows, $"[{rows}]");
        OpCheck.IsInt32(Op, "labels", labels);
        OpCheck.InRange(Op, "LabelSmoothing", labelSmoothing, 0, 1);
    }
}
