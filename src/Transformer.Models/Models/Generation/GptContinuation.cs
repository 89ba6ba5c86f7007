using System.Runtime.InteropServices;

namespace Transformer.Models.Generation;

/// <summary>Texts that a <see cref="Gpt"/> continues together, a token of each at a time.</summary>
/// <remarks>Where a text is longer than the model's positions P, the model sees its end alone: the
/// beginning is cut off by half of P at a time, so that most tokens cost one step.</remarks>
internal sealed class GptContinuation
{
    private readonly Gpt model;
    private readonly SamplingOptions options;
    private readonly List<int>[] texts;
    private readonly TokenSampler[] samplers;
    private readonly int[] starts;
    private readonly int[] drawn;
    private readonly bool[] ended;
    private int number;

    /// <summary>Begins with prompts.</summary>
    /// <param name="model">The model.</param>
    /// <param name="prompts">Valid token ids, one or more each.</param>
    /// <param name="options">Valid options; text i draws with the seed plus i.</param>
    /// <param name="first">Number of the first text where these are some of many.</param>
    public GptContinuation(
        Gpt model, IReadOnlyList<IReadOnlyList<int>> prompts, SamplingOptions options,
        int first = 0)
    {
        this.model = model;
        this.options = options;
        texts = [.. prompts.Select(prompt => new List<int>(prompt))];
        samplers =
        [
            .. prompts.Select((_, i) => new TokenSampler(model.Config.Vocabulary,
                options with { Seed = options.Seed + (ulong)(first + i) })),
        ];
        starts = new int[texts.Length];
        Array.Fill(starts, -1);
        drawn = new int[texts.Length];
        ended = new bool[texts.Length];
    }

    /// <summary>Whether every text has ended.</summary>
    public bool AllEnded => !ended.Contains(false);

    /// <summary>Ends a text; it gets no more tokens.</summary>
    public void End(int text) => ended[text] = true;

    /// <summary>Draws the next token of each text.</summary>
    /// <returns>[texts]: tokens, −1 where a text has ended; valid until the next call.</returns>
    public ReadOnlySpan<int> Next()
    {
        if (options.UseCache) DrawTogether();
        else
        {
            for (int i = 0; i < texts.Length; i++)
            {
                if (!ended[i]) drawn[i] = Draw(i, model.LogitsAfter(Context(i)));
            }
        }

        for (int i = 0; i < texts.Length; i++)
        {
            ended[i] |= options.Ends.Contains(drawn[i]);
            if (ended[i]) drawn[i] = -1;
            else texts[i].Add(drawn[i]);
        }

        number++;
        return drawn;
    }

    private void DrawTogether()
    {
        GptSession session = model.SessionOf(texts.Length);
        bool goesOn = ReferenceEquals(session.Reader, this);
        session.Reader = this;
        for (int i = 0; i < texts.Length; i++)
        {
            if (ended[i]) continue;
            int start = ContextStart(texts[i].Count);
            goesOn &= start == starts[i];
            starts[i] = start;
        }

        ReadOnlySpan<float> logits = goesOn ? session.Step(drawn) : Read(session);
        int vocabulary = model.Config.Vocabulary;
        for (int i = 0; i < texts.Length; i++)
            if (!ended[i]) drawn[i] = Draw(i, logits.Slice(i * vocabulary, vocabulary));
    }

    private ReadOnlySpan<float> Read(GptSession session)
    {
        List<int> ids = [];
        int[] counts = new int[texts.Length];
        for (int i = 0; i < texts.Length; i++)
        {
            ids.AddRange(Context(i));
            counts[i] = Context(i).Length;
        }

        return session.Read(CollectionsMarshal.AsSpan(ids), counts);
    }

    private int Draw(int text, ReadOnlySpan<float> logits) =>
        samplers[text].Next(logits, number, CollectionsMarshal.AsSpan(texts[text]));

    private ReadOnlySpan<int> Context(int text) =>
        CollectionsMarshal.AsSpan(texts[text])[ContextStart(texts[text].Count)..];

    /// <summary>The first token that the model sees of a text of some length.</summary>
    private int ContextStart(int length)
    {
        int positions = model.Config.Positions;
        int hop = Math.Max(1, positions / 2);
        int over = length - positions;
        return over <= 0 ? 0 : (over + hop - 1) / hop * hop;
    }
}
