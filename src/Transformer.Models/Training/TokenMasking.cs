using Transformer.Models.Text;

namespace Transformer.Models.Training;

/// <summary>Chooses tokens to guess and hides most of them: 15 % of all, of which 80 % become
/// [MASK], 10 % another random token, and 10 % stay. Special tokens are neither chosen nor put in.
/// </summary>
/// <remarks>Devlin et al. 2018, §3.1 and appendix A.1. Of n tokens, ⌊0.15·n + u⌋ are chosen, u
/// uniform in [0, 1): 15 % on average, whatever n is.</remarks>
public sealed class TokenMasking
{
    /// <summary>The share of tokens that is chosen.</summary>
    public const double ChosenShare = 0.15;

    /// <summary>The share of the chosen that becomes [MASK].</summary>
    public const double MaskedShare = 0.8;

    /// <summary>The share of the chosen that becomes a random token.</summary>
    public const double RandomShare = 0.1;

    private readonly BertTokens tokens;
    private readonly int[] ordinary;
    private readonly bool[] isOrdinary;

    /// <summary>Notes which tokens are not special.</summary>
    /// <param name="tokenizer">The model's own.</param>
    /// <exception cref="ArgumentException">It lacks one of BERT's tokens, or has no other.
    /// </exception>
    public TokenMasking(ITokenizer tokenizer)
    {
        tokens = BertTokens.Of(tokenizer);
        SpecialTokens special = tokenizer.Special;
        isOrdinary = [.. Enumerable.Range(0, tokenizer.VocabularySize).Select(id =>
            !tokens.IsSpecial(id) && id != special.Bos && id != special.Eos && id != special.Pad)];
        ordinary = [.. Enumerable.Range(0, isOrdinary.Length).Where(id => isOrdinary[id])];
        if (ordinary.Length == 0)
        {
            throw new ArgumentException("TokenMasking: the tokenizer has special tokens alone. " +
                "Train it on text.");
        }
    }

    /// <summary>BERT's tokens.</summary>
    public BertTokens Tokens => tokens;

    /// <summary>Tokens of the vocabulary.</summary>
    public int Vocabulary => isOrdinary.Length;

    /// <summary>The most tokens that are chosen of some.</summary>
    public static int Most(int count) => Math.Max(1, (int)Math.Ceiling(ChosenShare * count));

    /// <summary>Whether a token may be chosen.</summary>
    public bool IsOrdinary(int id) => isOrdinary[id];

    /// <summary>Chooses tokens of a text and hides them.</summary>
    /// <param name="ids">The text; changed.</param>
    /// <param name="draw">Random numbers.</param>
    /// <param name="places">Room for the places of all tokens; receives those chosen, first.
    /// </param>
    /// <param name="labels">Receives the tokens that stood there.</param>
    /// <returns>How many were chosen.</returns>
    internal int Hide(Span<int> ids, ref RandomStream draw, Span<int> places, Span<int> labels)
    {
        int candidates = 0;
        for (int i = 0; i < ids.Length; i++)
        {
            if (isOrdinary[ids[i]]) places[candidates++] = i;
        }

        int chosen = (int)((ChosenShare * candidates) + draw.Unit());
        for (int i = 0; i < chosen; i++)
        {
            int other = i + draw.Below(candidates - i);
            (places[i], places[other]) = (places[other], places[i]);
            ref int id = ref ids[places[i]];
            labels[i] = id;
            double what = draw.Unit();
            if (what < MaskedShare) id = tokens.Mask;
            else if (what < MaskedShare + RandomShare) id = ordinary[draw.Below(ordinary.Length)];
        }

        return chosen;
    }
}
