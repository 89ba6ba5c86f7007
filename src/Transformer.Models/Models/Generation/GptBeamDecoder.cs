namespace Transformer.Models.Generation;

/// <summary>A <see cref="Gpt"/> that continues prompts for a beam search: the first step reads
/// the prompts and ignores its tokens.</summary>
internal sealed class GptBeamDecoder : IStepDecoder
{
    private readonly Gpt model;
    private readonly IReadOnlyList<int> excluded;
    private readonly bool useCache;
    private readonly float[] logits;
    private int[][] texts;
    private bool reading = true;

    /// <summary>Prepares the rows.</summary>
    /// <param name="model">The model.</param>
    /// <param name="prompts">Valid token ids; with the tokens to come within the positions.
    /// </param>
    /// <param name="beam">Rows a prompt.</param>
    /// <param name="excluded">Tokens that are never chosen.</param>
    /// <param name="useCache">False computes the whole text again for each token.</param>
    public GptBeamDecoder(
        Gpt model, IEnumerable<IReadOnlyList<int>> prompts, int beam,
        IReadOnlyList<int> excluded, bool useCache)
    {
        this.model = model;
        this.excluded = excluded;
        this.useCache = useCache;
        texts = [.. prompts.SelectMany(prompt => Enumerable.Repeat<int[]>([.. prompt], beam))];
        logits = new float[texts.Length * Vocabulary];
    }

    /// <inheritdoc/>
    public int Vocabulary => model.Config.Vocabulary;

    /// <inheritdoc/>
    public ReadOnlySpan<float> Step(ReadOnlySpan<int> parents, ReadOnlySpan<int> tokens)
    {
        if (useCache) StepWithCache(parents, tokens);
        else StepWithoutCache(parents, tokens);
        reading = false;
        for (int row = 0; row < texts.Length; row++)
        {
            foreach (int token in excluded)
                logits[(row * Vocabulary) + token] = float.NegativeInfinity;
        }

        return logits;
    }

    private void StepWithCache(ReadOnlySpan<int> parents, ReadOnlySpan<int> tokens)
    {
        GptSession session = model.SessionOf(texts.Length);
        session.Reader = this;
        if (reading)
        {
            session.Read(texts.SelectMany(text => text).ToArray(),
                Array.ConvertAll(texts, text => text.Length)).CopyTo(logits);
            return;
        }

        session.Reorder(parents);
        session.Step(tokens).CopyTo(logits);
    }

    private void StepWithoutCache(ReadOnlySpan<int> parents, ReadOnlySpan<int> tokens)
    {
        if (!reading)
        {
            int[][] next = new int[texts.Length][];
            for (int row = 0; row < next.Length; row++)
                next[row] = [.. texts[parents[row]], Math.Max(0, tokens[row])];
            texts = next;
        }

        for (int row = 0; row < texts.Length; row++)
            model.LogitsAfter(texts[row]).CopyTo(logits.AsSpan(row * Vocabulary));
    }
}
