namespace Transformer.Models;

/// <summary>One translation that beam search found.</summary>
/// <param name="Tokens">Ids without begin and end token.</param>
/// <param name="LogProbability">Natural log of the model's probability, end token included.
/// </param>
/// <param name="Score">Log-probability divided by the length penalty.</param>
/// <param name="Ended">False where the length limit came before the end token.</param>
public sealed record BeamHypothesis(
    IReadOnlyList<int> Tokens, double LogProbability, double Score, bool Ended);

/// <summary>What beam search found for one sentence.</summary>
/// <param name="Hypotheses">At least one, highest score first. Those without an end token are
/// there only where none has one.</param>
public sealed record BeamResult(IReadOnlyList<BeamHypothesis> Hypotheses)
{
    /// <summary>The hypothesis with the highest score.</summary>
    public BeamHypothesis Best => Hypotheses[0];
}
