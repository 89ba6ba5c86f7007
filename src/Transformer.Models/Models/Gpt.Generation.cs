using Transformer.Models.Generation;
using Transformer.Models.Graph;
using Transformer.Models.Training;

namespace Transformer.Models;

/// <content>Continuing texts.</content>
public sealed partial class Gpt
{
    /// <summary>Continues a text, token by token as they are asked for.</summary>
    /// <param name="prompt">Its token ids, one or more.</param>
    /// <param name="tokens">How many to add at most.</param>
    /// <param name="options">Null: drawn from the model's own probabilities with seed 0.</param>
    /// <returns>The tokens added.</returns>
    /// <remarks>Where a text is longer than the model's positions P, the model sees its end alone:
    /// the beginning is cut off by half of P at a time, so that most tokens cost one step.
    /// </remarks>
    /// <exception cref="ArgumentException">The prompt is empty or holds an unknown id, the number
    /// is negative, or an option is out of range.</exception>
    public IEnumerable<int> Generate(
        IReadOnlyList<int> prompt, int tokens, SamplingOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        return Draw(Begin([prompt], tokens, options ?? new()), tokens);
    }

    /// <summary>Continues several texts of any lengths, <see cref="SamplingOptions.BatchRows"/> of
    /// them together.</summary>
    /// <param name="prompts">Token ids of each, one or more.</param>
    /// <param name="tokens">How many to add to each at most.</param>
    /// <param name="options">As for <see cref="Generate"/>; text i, from 0 on, draws what it would
    /// draw alone with the seed plus i.</param>
    /// <returns>The tokens added to each, in the order given.</returns>
    /// <exception cref="ArgumentException">As for <see cref="Generate"/>.</exception>
    public int[][] GenerateAll(
        IReadOnlyList<IReadOnlyList<int>> prompts, int tokens, SamplingOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        options ??= new();
        options.Validate();
        List<int>[] added = [.. prompts.Select(_ => new List<int>())];
        for (int start = 0; start < prompts.Count; start += options.BatchRows)
        {
            GptContinuation texts = Begin(
                [.. prompts.Skip(start).Take(options.BatchRows)], tokens, options, start);
            for (int n = 0; n < tokens && !texts.AllEnded; n++)
            {
                ReadOnlySpan<int> drawn = texts.Next();
                for (int i = 0; i < drawn.Length; i++)
                    if (drawn[i] >= 0) added[start + i].Add(drawn[i]);
            }
        }

        return Array.ConvertAll(added, text => text.ToArray());
    }

    /// <summary>Continues texts by beam search: the likeliest continuations that it finds.
    /// </summary>
    /// <param name="prompts">Token ids of each, one or more.</param>
    /// <param name="tokens">How many to add at most; with the prompt within the model's positions.
    /// </param>
    /// <param name="options">Null: the defaults. Its longest length does not matter.</param>
    /// <param name="excluded">Tokens that are never chosen; null: none.</param>
    /// <param name="end">Token that ends a text; null: all have the full length.</param>
    /// <returns>Hypotheses of each text, without its prompt, best first.</returns>
    /// <remarks>The search is that of <see cref="Seq2SeqTransformer.Beam"/>.</remarks>
    /// <exception cref="ArgumentException">A prompt is empty, too long or holds an unknown id; the
    /// number is not positive, or an option is out of range.</exception>
    public BeamResult[] Beam(
        IReadOnlyList<IReadOnlyList<int>> prompts, int tokens, GenerationOptions? options = null,
        IReadOnlyList<int>? excluded = null, int? end = null)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        options ??= new();
        options.Validate();
        excluded ??= [];
        _ = new TokenSampler(Config.Vocabulary,
            new() { Excluded = excluded, Ends = end is null ? [] : [end.Value] });
        if (tokens < 1) Throw($"'tokens' is {tokens}; expected 1 or more.");
        foreach (IReadOnlyList<int> prompt in prompts)
        {
            RequirePrompt(prompt);
            if (prompt.Count <= Config.Positions - tokens) continue;
            Throw($"a prompt of {prompt.Count} tokens and {tokens} more exceed the model's " +
                $"{Config.Positions} positions. Beam search needs both within them: ask for " +
                "fewer tokens, or draw without a beam.");
        }

        SearchTokens special = new(-1, -1, end ?? -1);
        List<BeamResult> results = [];
        foreach (IReadOnlyList<int>[] chunk in
            prompts.Chunk(Math.Max(1, options.BatchRows / options.BeamSize)))
        {
            GptBeamDecoder decoder =
                new(this, chunk, options.BeamSize, excluded, options.UseCache);
            int[] limits = new int[chunk.Length];
            Array.Fill(limits, tokens);
            results.AddRange(new BeamSearch(decoder, special, chunk.Length, options).Run(limits));
        }

        return [.. results];
    }

    /// <summary>Checks prompts and options, and begins.</summary>
    internal GptContinuation Begin(
        IReadOnlyList<IReadOnlyList<int>> prompts, int tokens, SamplingOptions options,
        int first = 0)
    {
        options.Validate();
        if (tokens < 0) Throw($"'tokens' is {tokens}; expected 0 or more.");
        foreach (IReadOnlyList<int> prompt in prompts) RequirePrompt(prompt);
        return new(this, prompts, options, first);
    }

    /// <summary>Logits [V] of the next token without caches.</summary>
    /// <param name="context">1 to P tokens.</param>
    internal ReadOnlySpan<float> LogitsAfter(ReadOnlySpan<int> context)
    {
        CompiledGraph graph = EvaluationGraph(1, Config.Positions);
        int[] ids = new int[Config.Positions], labels = new int[Config.Positions];
        context.CopyTo(ids);
        Array.Fill(labels, Batch.IgnoredLabel);
        graph.Feed<int>("ids", ids);
        graph.Feed<int>("labels", labels);
        graph.Forward();
        float[] logits = new float[Config.Positions * Config.Vocabulary];
        graph.Fetch<float>("logits", logits);
        return logits.AsSpan(
            (context.Length - 1) * Config.Vocabulary, Config.Vocabulary);
    }

    private static IEnumerable<int> Draw(GptContinuation text, int tokens)
    {
        for (int i = 0; i < tokens; i++)
        {
            int token = text.Next()[0];
            if (token < 0) yield break;
            yield return token;
        }
    }

    private void RequirePrompt(IReadOnlyList<int> prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        if (prompt.Count == 0) Throw("the prompt is empty; expected one token or more.");
        foreach (int id in prompt)
        {
            if (id >= 0 && id < Config.Vocabulary) continue;
            Throw($"the prompt has the token {id}; expected 0 to {Config.Vocabulary - 1}. Use " +
                "the model's own tokenizer.");
        }
    }
}
