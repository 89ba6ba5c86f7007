using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>How the rows' losses become one number.</summary>
public enum LossReduction
{
    /// <summary>The mean over rows that are not ignored, weighted by their labels' class weights;
    /// 0 where those sum to 0.</summary>
    Mean,

    /// <summary>The sum.</summary>
    Sum,
}

/// <summary>
/// With n[c] = log-sum-exp(logits[r]) − logits[r, c], the negative log-probability:
/// loss[r] = (1 − ε)·weight[label]·n[label] + ε/Classes·Σ weight[c]·n[c].
/// </summary>
/// <remarks>Cross entropy with class weights and label smoothing ε as PyTorch defines them: the
/// target distribution is (1 − ε)·one-hot + ε/Classes, each class weighted. Without smoothing it is
/// SoftmaxCrossEntropyLoss of ai.onnx. No probabilities are stored; where log-probabilities are
/// there already, <see cref="NegativeLogLikelihoodForward"/> takes them.</remarks>
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

    /// <summary>[Classes], 0 or more; absent means ones.</summary>
    public BufferView ClassWeights { get; init; }

    /// <summary>[Rows], weighted, 0 for ignored rows; optional.</summary>
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
        SoftmaxCrossEntropyChecks.Common(
            Logits, Labels, ClassWeights, Rows, Classes, LabelSmoothing);
        OpCheck.FloatsOrAbsent(Op, "rowLosses", RowLosses, Rows, $"[{Rows}]");
        OpCheck.Floats(Op, "logSumExp", LogSumExp, Rows, $"[{Rows}]");
        OpCheck.Floats(Op, "loss", Loss, 1, "[1]");
        OpCheck.Defined(Op, nameof(Reduction), Reduction);
        OpCheck.Apart(
            Op,
            [("rowLosses", RowLosses), ("logSumExp", LogSumExp), ("loss", Loss)],
            [("logits", Logits), ("labels", Labels), ("classWeights", ClassWeights)]);
    }
}

/// <summary>
/// With p = softmax(logits[r]), w the class weights and W their sum: logitsGradient[r, c] =
/// lossGradient·s·(((1 − ε)·w[label] + ε/Classes·W)·p[c] − (1 − ε)·w[label]·[c = label] −
/// ε/Classes·w[c]), where s is 1/(Σ w[label] of the rows that count) for the mean and 1 for the
/// sum; 0 for ignored rows. Without weights that is p minus the target.
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

    /// <summary>[Classes] of the forward call; absent means ones.</summary>
    public BufferView ClassWeights { get; init; }

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
        SoftmaxCrossEntropyChecks.Common(
            Logits, Labels, ClassWeights, Rows, Classes, LabelSmoothing);
        OpCheck.Floats(Op, "logSumExp", LogSumExp, Rows, $"[{Rows}]");
        OpCheck.FloatsOrAbsent(Op, "lossGradient", LossGradient, 1, "[1]");
        OpCheck.Floats(Op, "logitsGradient", LogitsGradient, (long)Rows * Classes,
            $"[{Rows}, {Classes}]");
        OpCheck.Defined(Op, nameof(Reduction), Reduction);
        OpCheck.NoOverlap(Op, "logitsGradient", LogitsGradient, "logits", Logits, true);
        OpCheck.Apart(
            Op,
            [("logitsGradient", LogitsGradient)],
            [("labels", Labels), ("classWeights", ClassWeights), ("logSumExp", LogSumExp),
                ("lossGradient", LossGradient)]);
    }
}

internal static class SoftmaxCrossEntropyChecks
{
    private const string Op = "SoftmaxCrossEntropy";

    public static void Common(
        BufferView logits, BufferView labels, BufferView classWeights, int rows, int classes,
        double labelSmoothing)
    {
        OpCheck.NotNegative(Op, "Rows", rows);
        OpCheck.Positive(Op, "Classes", classes);
        OpCheck.Floats(Op, "logits", logits, (long)rows * classes, $"[{rows}, {classes}]");
        OpCheck.Exactly(Op, "labels", labels, rows, $"[{rows}]");
        OpCheck.IsInt32(Op, "labels", labels);
        OpCheck.FloatsOrAbsent(Op, "classWeights", classWeights, classes, $"[{classes}]");
        OpCheck.InRange(Op, "LabelSmoothing", labelSmoothing, 0, 1);
    }
}
