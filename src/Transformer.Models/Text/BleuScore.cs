using System.Globalization;

namespace Transformer.Models.Text;

/// <summary>A corpus BLEU score with its parts.</summary>
/// <param name="Score">0 to 100.</param>
/// <param name="Precisions">Precision of 1- to 4-grams [4], in per cent, smoothed.</param>
/// <param name="Correct">N-grams that the references have too [4], clipped.</param>
/// <param name="Total">N-grams of the hypotheses [4].</param>
/// <param name="BrevityPenalty">1, or less where the hypotheses are shorter.</param>
/// <param name="SystemLength">Tokens of the hypotheses.</param>
/// <param name="ReferenceLength">Tokens of the references.</param>
public sealed record BleuScore(
    double Score,
    IReadOnlyList<double> Precisions,
    IReadOnlyList<long> Correct,
    IReadOnlyList<long> Total,
    double BrevityPenalty,
    long SystemLength,
    long ReferenceLength)
{
    /// <summary>The line that people compare: score, precisions, brevity penalty, lengths.
    /// </summary>
    public override string ToString()
    {
        string precisions = string.Join(
            '/', Precisions.Select(p => p.ToString("F1", CultureInfo.InvariantCulture)));
        double ratio = ReferenceLength > 0 ? (double)SystemLength / ReferenceLength : 0;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"BLEU = {Score:F2} {precisions} (BP = {BrevityPenalty:F3} ratio = {ratio:F3} " +
            $"hyp_len = {SystemLength} ref_len = {ReferenceLength})");
    }
}
