using Transformer.Ops;

namespace Transformer.Models.Generation;

/// <summary>Draws tokens from logits as <see cref="SamplingForward"/> has it, those left out that
/// are excluded. Token n depends on the logits, the options and n alone.</summary>
internal sealed class TokenSampler
{
    private readonly SamplingOptions options;
    private readonly float[] allowed;
    private readonly bool[] seen;

    /// <summary>Makes the memory for one row of logits.</summary>
    /// <param name="vocabulary">V.</param>
    /// <param name="options">Valid options.</param>
    public TokenSampler(int vocabulary, SamplingOptions options)
    {
        this.options = options;
        RequireTokens("Excluded", options.Excluded, vocabulary);
        RequireTokens("Ends", options.Ends, vocabulary);
        if (options.Excluded.Distinct().Count() >= vocabulary)
        {
            throw new ArgumentException("SamplingOptions: 'Excluded' has every token; expected " +
                "at least one that is left.");
        }

        allowed = new float[vocabulary];
        seen = options.RepetitionPenalty == 1 ? [] : new bool[vocabulary];
    }

    /// <summary>Draws one token.</summary>
    /// <param name="logits">[V].</param>
    /// <param name="number">Number of the token drawn, from 0 on.</param>
    /// <param name="text">The tokens that the text has already.</param>
    /// <exception cref="ArithmeticException">A logit is NaN or +∞, or all are −∞.</exception>
    public int Next(ReadOnlySpan<float> logits, int number, ReadOnlySpan<int> text = default)
    {
        logits.CopyTo(allowed);
        if (seen.Length > 0) PenaliseRepetition(text);
        foreach (int token in options.Excluded) allowed[token] = float.NegativeInfinity;
        Span<int> drawn = stackalloc int[1];
        Sampling.Forward(allowed, new(1, allowed.Length), new()
        {
            Temperature = options.Temperature,
            TopK = options.TopK,
            TopP = options.TopP,
            Seed = options.Seed,
            First = (ulong)number,
        }, drawn);
        if (drawn[0] < 0) TopTokens.ThrowNotFinite();
        return drawn[0];
    }

    private void PenaliseRepetition(ReadOnlySpan<int> text)
    {
        float penalty = (float)options.RepetitionPenalty;
        foreach (int token in text)
        {
            if (seen[token]) continue;
            seen[token] = true;
            allowed[token] = allowed[token] > 0
                ? allowed[token] / penalty : allowed[token] * penalty;
        }

        foreach (int token in text) seen[token] = false;
    }

    private static void RequireTokens(string name, IReadOnlyList<int> tokens, int vocabulary)
    {
        foreach (int token in tokens)
        {
            if (token >= 0 && token < vocabulary) continue;
            throw new ArgumentException($"SamplingOptions: '{name}' has the token {token}; " +
                $"expected 0 to {vocabulary - 1}. Use the model's own tokenizer.");
        }
    }
}
