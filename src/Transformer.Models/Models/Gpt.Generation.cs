using Transformer.Models.Generation;
using Transformer.Models.Graph;
using Transformer.Models.Training;

namespace Transformer.Models;

/// <content>Continuing a text.</content>
public sealed partial class Gpt
{
    /// <summary>Continues a text, token by token as they are asked for.</summary>
    /// <param name="prompt">Its token ids, one or more.</param>
    /// <param name="tokens">How many to add.</param>
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
        options ??= new();
        options.Validate();
        if (tokens < 0) Throw($"'tokens' is {tokens}; expected 0 or more.");
        if (prompt.Count == 0) Throw("the prompt is empty; expected one token or more.");
        foreach (int id in prompt)
        {
            if (id >= 0 && id < Config.Vocabulary) continue;
            Throw($"the prompt has the token {id}; expected 0 to {Config.Vocabulary - 1}. Use " +
                "the model's own tokenizer.");
        }

        return Continue([.. prompt], tokens, options, new(Config.Vocabulary, options));
    }

    private IEnumerable<int> Continue(
        List<int> text, int tokens, SamplingOptions options, TokenSampler sampler)
    {
        int start = -1;
        for (int i = 0; i < tokens; i++)
        {
            int begin = ContextStart(text.Count);
            int token = Next(text, begin, begin == start, options, sampler, i);
            start = begin;
            text.Add(token);
            yield return token;
        }
    }

    private int Next(
        List<int> text, int begin, bool sameStart, SamplingOptions options, TokenSampler sampler,
        int number)
    {
        ReadOnlySpan<int> context =
            System.Runtime.InteropServices.CollectionsMarshal.AsSpan(text)[begin..];
        if (!options.UseCache) return sampler.Next(LogitsAfter(context), number);
        bool goesOn = sameStart && ReferenceEquals(Session.Reader, sampler);
        Session.Reader = sampler;
        return sampler.Next(goesOn ? Session.Step(context[^1]) : Session.Read(context), number);
    }

    /// <summary>The first token that the model sees of a text of some length.</summary>
    private int ContextStart(int length)
    {
        int hop = Math.Max(1, Config.Positions / 2);
        int over = length - Config.Positions;
        return over <= 0 ? 0 : (over + hop - 1) / hop * hop;
    }

    /// <summary>Logits of the next token without caches.</summary>
    private ReadOnlySpan<float> LogitsAfter(ReadOnlySpan<int> context)
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
}
