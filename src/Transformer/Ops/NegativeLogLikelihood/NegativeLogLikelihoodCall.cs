using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// loss[o, i] = −weight[label]·logProbabilities[o, label, i], label = labels[o, i].
/// </summary>
/// <remarks>NegativeLogLikelihoodLoss of ai.onnx, classes on axis 1 of any rank. An op of its own
/// and not <see cref="SoftmaxCrossEntropyForward"/> with a flag: it picks one number a label, needs
/// neither a log-sum-exp nor a pass over the classes, and its gradient is 0 but at the labels.
/// </remarks>
public readonly record struct NegativeLogLikelihoodForward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "NegativeLogLikelihood";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>[Outer, Classes, Inner].</summary>
    public BufferView LogProbabilities { get; init; }

    /// <summary>[Outer, Inner] Int32, each in [0, Classes) or the ignored value.</summary>
    public BufferView Labels { get; init; }

    /// <summary>[Classes], 0 or more; absent means ones.</summary>
    public BufferView ClassWeights { get; init; }

    /// <summary>[Outer, Inner], weighted, 0 where the label is ignored; optional.</summary>
    public BufferView Losses { get; init; }

    /// <summary>[1], reduced.</summary>
    public BufferView Loss { get; init; }

    /// <summary>Product of the axes before the classes.</summary>
    public int Outer { get; init; }

    /// <summary>Classes.</summary>
    public int Classes { get; init; }

    /// <summary>Product of the axes behind the classes; 1 where they are the last.</summary>
    public int Inner { get; init; }

    /// <summary>Label that does not count; null: none.</summary>
    public int? IgnoreIndex { get; init; }

    /// <summary>How the losses become one number.</summary>
    public LossReduction Reduction { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        NegativeLogLikelihoodChecks.Common(Labels, ClassWeights, Outer, Classes, Inner, Reduction);
        ShapeText labels = $"[{Outer}, {Inner}]";
        OpCheck.Floats(
            Op, "logProbabilities", LogProbabilities, OpCheck.Count(Outer, Classes, Inner),
            $"[{Outer}, {Classes}, {Inner}]");
        OpCheck.FloatsOrAbsent(Op, "losses", Losses, (long)Outer * Inner, labels);
        OpCheck.Floats(Op, "loss", Loss, 1, "[1]");
        OpCheck.Apart(
            Op,
            [("losses", Losses), ("loss", Loss)],
            [("logProbabilities", LogProbabilities), ("labels", Labels),
                ("classWeights", ClassWeights)]);
    }
}

/// <summary>
/// logProbabilitiesGradient[o, c, i] = −lossGradient·s·weight[c] at c = labels[o, i] and 0
/// elsewhere, where s is 1/(Σ weight[label] of the labels that count) for the mean and 1 for the
/// sum.
/// </summary>
public readonly record struct NegativeLogLikelihoodBackward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "NegativeLogLikelihood";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Backward;

    /// <summary>[Outer, Inner] Int32.</summary>
    public BufferView Labels { get; init; }

    /// <summary>[Classes] of the forward call; absent means ones.</summary>
    public BufferView ClassWeights { get; init; }

    /// <summary>[1]: gradient arriving at the loss; absent means 1.</summary>
    public BufferView LossGradient { get; init; }

    /// <summary>[Outer, Classes, Inner], overwritten.</summary>
    public BufferView LogProbabilitiesGradient { get; init; }

    /// <summary>Product of the axes before the classes.</summary>
    public int Outer { get; init; }

    /// <summary>Classes.</summary>
    public int Classes { get; init; }

    /// <summary>Product of the axes behind the classes; 1 where they are the last.</summary>
    public int Inner { get; init; }

    /// <summary>Label that does not count; null: none.</summary>
    public int? IgnoreIndex { get; init; }

    /// <summary>The reduction of the forward call.</summary>
    public LossReduction Reduction { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        NegativeLogLikelihoodChecks.Common(Labels, ClassWeights, Outer, Classes, Inner, Reduction);
        OpCheck.FloatsOrAbsent(Op, "lossGradient", LossGradient, 1, "[1]");
        OpCheck.Floats(
            Op, "logProbabilitiesGradient", LogProbabilitiesGradient,
            OpCheck.Count(Outer, Classes, Inner), $"[{Outer}, {Classes}, {Inner}]");
        OpCheck.Apart(
            Op,
            [("logProbabilitiesGradient", LogProbabilitiesGradient)],
            [("labels", Labels), ("classWeights", ClassWeights), ("lossGradient", LossGradient)]);
    }
}

internal static unsafe class NegativeLogLikelihoodChecks
{
    private const string Op = "NegativeLogLikelihood";

    public static void Common(
        BufferView labels, BufferView classWeights, int outer, int classes, int inner,
        LossReduction reduction)
    {
        OpCheck.NotNegative(Op, "Outer", outer);
        OpCheck.Positive(Op, "Classes", classes);
        OpCheck.NotNegative(Op, "Inner", inner);
        OpCheck.Exactly(Op, "labels", labels, (long)outer * inner, $"[{outer}, {inner}]");
        OpCheck.IsInt32(Op, "labels", labels);
        OpCheck.FloatsOrAbsent(Op, "classWeights", classWeights, classes, $"[{classes}]");
        OpCheck.Defined(Op, "Reduction", reduction);
    }

    /// <summary>Requires that each label be a class or the ignored one.</summary>
    public static void Labels(BufferView labels, int classes, int? ignoreIndex) => IdCheck.Labels(
        Op, "labels", labels.Pointer<int>(), labels.Length, classes, ignoreIndex);
}
