using System.Numerics;
using Transformer.Models.Generation;

namespace Transformer.Models;

/// <content>Writing translations.</content>
public sealed partial class Seq2SeqTransformer
{
    private const int AutomaticExtraLength = 50;
    private const int SourceMultiple = 8, CapacityMultiple = 32, MostSessions = 4;

    private readonly List<DecodingSession> sessions = [];

    private SearchTokens SearchTokens => new(Config.PadId, Config.BosId, Config.EosId);

    /// <summary>Translates by the options' beam: greedily where it is 1.</summary>
    /// <param name="sources">Token ids of each sentence as the encoder was trained to get them.
    /// </param>
    /// <param name="options">Null: the defaults.</param>
    /// <returns>Target ids of each sentence, in the order given, without begin and end token.
    /// </returns>
    /// <exception cref="ArgumentException">A sentence is empty, longer than the model's positions
    /// or holds an unknown id; or an option is out of range.</exception>
    public int[][] Generate(IReadOnlyList<int[]> sources, GenerationOptions? options = null)
    {
        options ??= new();
        return options.BeamSize == 1
            ? Greedy(sources, options)
            : Array.ConvertAll(Beam(sources, options), r => r.Best.Tokens.ToArray());
    }

    /// <summary>Translates by the most likely token at each step.</summary>
    /// <param name="sources">As for <see cref="Generate"/>.</param>
    /// <param name="options">Null: the defaults; the beam does not matter.</param>
    /// <returns>As for <see cref="Generate"/>.</returns>
    /// <exception cref="ArgumentException">As for <see cref="Generate"/>.</exception>
    public int[][] Greedy(IReadOnlyList<int[]> sources, GenerationOptions? options = null) =>
        InBatches(sources, (options ?? new()) with { BeamSize = 1 },
            (decoder, limits, _) => GreedySearch.Run(decoder, SearchTokens, limits));

    /// <summary>Translates by beam search.</summary>
    /// <param name="sources">As for <see cref="Generate"/>.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <returns>Hypotheses of each sentence, in the order given.</returns>
    /// <remarks>A hypothesis Y scores log P(Y) / ((5 + |Y|) / 6)^α, |Y| counting the end token
    /// (Wu et al. 2016, eq. 14). A sentence is done when as many hypotheses as the beam holds have
    /// ended, at the length limit, or when none that goes on can beat the best that ended. Ties
    /// are broken by rank, so results are deterministic.</remarks>
    /// <exception cref="ArgumentException">As for <see cref="Generate"/>.</exception>
    public BeamResult[] Beam(IReadOnlyList<int[]> sources, GenerationOptions? options = null) =>
        InBatches(sources, options ?? new(), (decoder, limits, o) =>
            new BeamSearch(decoder, SearchTokens, limits.Length, o).Run(limits));

    /// <summary>Sorts sentences by length, decodes batches of them, restores the order.</summary>
    private T[] InBatches<T>(
        IReadOnlyList<int[]> sources, GenerationOptions options,
        Func<IStepDecoder, int[], GenerationOptions, T[]> search)
    {
        ArgumentNullException.ThrowIfNull(sources);
        options.Validate();
        if (options.MaxLength > Config.MaxPositions)
            ThrowTooLong("the longest translation allowed", options.MaxLength, Config.MaxPositions);
        for (int i = 0; i < sources.Count; i++) RequireSource(sources[i], $"sentence {i + 1}");
        int[] order =
            [.. Enumerable.Range(0, sources.Count).OrderByDescending(i => sources[i].Length)];
        T[] results = new T[sources.Count];
        foreach (int[] chunk in order.Chunk(Math.Max(1, options.BatchRows / options.BeamSize)))
        {
            int[][] batch = Array.ConvertAll(chunk, i => sources[i]);
            int[] limits = Array.ConvertAll(batch, s => Limit(s, options));
            T[] found = search(Decoder(batch, limits.Max(), options), limits, options);
            for (int i = 0; i < chunk.Length; i++) results[chunk[i]] = found[i];
        }

        return results;
    }

    private int Limit(int[] source, GenerationOptions options) => options.MaxLength > 0
        ? options.MaxLength
        : Math.Min(source.Length + AutomaticExtraLength, Config.MaxPositions);

    private IStepDecoder Decoder(int[][] batch, int limit, GenerationOptions options)
    {
        if (!options.UseCache) return new PrefixDecoder(this, batch, options.BeamSize, limit);

        // Rounded sizes: a text of many lengths compiles few graphs.
        int full = Math.Max(1, options.BatchRows / options.BeamSize);
        DecodingShape shape = new(
            Math.Min(full, (int)BitOperations.RoundUpToPowerOf2((uint)batch.Length)),
            options.BeamSize, PadLength(batch.Max(s => s.Length), SourceMultiple),
            PadLength(limit, CapacityMultiple));
        DecodingSession session = Session(shape);
        session.Begin(batch);
        return session;
    }

    /// <summary>The compiled graphs of a shape; the longest unused ones are dropped.</summary>
    private DecodingSession Session(DecodingShape shape)
    {
        DecodingSession? session = sessions.Find(s => s.Shape == shape);
        if (session is not null) sessions.Remove(session);
        else if (sessions.Count >= MostSessions)
        {
            sessions[0].Dispose();
            sessions.RemoveAt(0);
        }

        session ??= new(Config, network, Parameters, shape);
        sessions.Add(session);
        return session;
    }

    private int PadLength(int length, int multiple) =>
        Math.Min(Config.MaxPositions, (length + multiple - 1) / multiple * multiple);

    private void RequireSource(int[] source, string what) =>
        RequireTokens(source, what, Config.SourceVocabulary);

    private void RequireTokens(int[] ids, string what, int vocabulary)
    {
        ArgumentNullException.ThrowIfNull(ids);
        if (ids.Length == 0)
        {
            throw new ArgumentException($"Seq2SeqTransformer: {what} is empty; expected 1 to " +
                $"{Config.MaxPositions} tokens. Leave it out.");
        }

        if (ids.Length > Config.MaxPositions) ThrowTooLong(what, ids.Length, Config.MaxPositions);
        foreach (int id in ids)
        {
            if (id >= 0 && id < vocabulary) continue;
            throw new ArgumentException($"Seq2SeqTransformer: {what} has the token {id}; " +
                $"expected 0 to {vocabulary - 1}. Use the model's own tokenizer.");
        }
    }

    private void DisposeSessions()
    {
        foreach (DecodingSession session in sessions) session.Dispose();
        sessions.Clear();
    }
}
