namespace Transformer.Models.Training;

/// <summary>How well a model predicts each token of true texts.</summary>
/// <param name="Loss">Cross entropy in nats a token, without label smoothing.</param>
/// <param name="Accuracy">Share of the tokens, in [0, 1], that the model ranks first, given the
/// true tokens before them.</param>
/// <param name="Tokens">Tokens predicted.</param>
public sealed record EvaluationResult(double Loss, double Accuracy, long Tokens)
{
    /// <summary>e to the loss.</summary>
    public double Perplexity => Math.Exp(Loss);
}
