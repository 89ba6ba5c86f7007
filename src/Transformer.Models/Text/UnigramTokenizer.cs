using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Transformer.Models.Text.Corpus;

namespace Transformer.Models.Text;

/// <summary>SentencePiece's unigram model: of all ways to cut a word into known pieces, the most
/// probable one; other ways can be drawn, to train models that do not depend on one.</summary>
/// <remarks>Kudo, "Subword Regularization" (2018). Text is put in form NFKC, white space becomes
/// one space, and each space, one before the text included, is written ▁ and begins a piece, so
/// that joining the pieces gives the text back. Words do not share pieces. Safe to use from many
/// threads.</remarks>
public sealed class UnigramTokenizer : Tokenizer
{
    /// <summary>Stands for a space (U+2581).</summary>
    public const char SpaceMark = '\u2581';

    internal const string ModelType = "Unigram";

    /// <summary>Score of a token that text is never cut into, here and in files: tokenizers that
    /// share their ids have pieces that others lack.</summary>
    internal const double NoPiece = -1e30;

    private readonly double[] _scores;
    private readonly UnigramFileOptions _options;
    private readonly TextNormalizer _normalizer;
    private readonly UnigramModel _model;
    private readonly int[] _idOfByte;
    private readonly int[] _byteOfId;
    private readonly PieceCache _remembered = new();

    internal UnigramTokenizer(Vocabulary vocabulary, double[] scores, UnigramFileOptions options)
        : base(vocabulary)
    {
        (_scores, _options) = (scores, options);
        _normalizer = options.Normalizer.WithSpaceMark(SpaceMark);
        (_idOfByte, _byteOfId) = BytePieces.Find(vocabulary, options.ByteFallback);
        IEnumerable<string?> pieces = Enumerable.Range(0, vocabulary.Count).Select(id =>
            vocabulary.IsSpecial(id) || _byteOfId[id] >= 0 || scores[id] <= NoPiece
                ? null : vocabulary[id]);
        _model = new([.. pieces, .. options.WithoutId.Select(entry => entry.Piece)],
            [.. scores, .. options.WithoutId.Select(entry => entry.Score)]);
    }

    /// <summary>Whether text is folded to lower case first.</summary>
    public bool Lowercase => _normalizer.Lowercase;

    /// <summary>Whether what is no piece is spelled in bytes.</summary>
    public bool ByteFallback => _options.ByteFallback;

    /// <summary>Learns pieces from text.</summary>
    /// <param name="lines">Training text; the order of the lines does not matter.</param>
    /// <param name="options">Size and normalisation; null: 8000 pieces.</param>
    /// <param name="progress">Told the part done, 0 to 1.</param>
    /// <param name="cancellation">Stops the training.</param>
    /// <returns>Special tokens, ids 0 to 3 and more if asked for, bytes if asked for, then pieces
    /// by falling probability; fewer than asked for where the text has not as many.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="lines"/> is null.</exception>
    /// <exception cref="ArgumentException">An option is out of range, there is no text, or it has
    /// more characters than the vocabulary has room for.</exception>
    /// <exception cref="OperationCanceledException">The training was stopped.</exception>
    public static UnigramTokenizer Train(
        IEnumerable<string> lines,
        UnigramOptions? options = null,
        IProgress<double>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(lines);
        options ??= new();
        options.Validate();
        TextNormalizer normalizer = options.Normalizer();
        Dictionary<string, long> counts = Count(
            lines.Select(WellFormed), normalizer.WithSpaceMark(SpaceMark));
        if (counts.Count == 0)
        {
            throw new ArgumentException(
                "UnigramTokenizer: the training text is empty; expected lines of text.");
        }
        UnigramTrainer trainer = new(counts, options, cancellation);
        int room = options.VocabularySize - options.Reserved;
        if (trainer.Alphabet > room)
        {
            throw new ArgumentException(
                $"UnigramTokenizer: 'VocabularySize' {options.VocabularySize} has room for " +
                $"{room} pieces; the text's characters need {trainer.Alphabet}. Raise it, or " +
                "lower 'CharacterCoverage'.");
        }
        List<(string Piece, double Score)> pieces = trainer.Run(progress);
        string[] bytes = options.ByteFallback
            ? [.. Enumerable.Range(0, 256).Select(b => BytePieces.Name((byte)b))] : [];
        Vocabulary vocabulary = Vocabulary.WithSpecialTokens(
            bytes.Concat(pieces.Select(entry => entry.Piece)), options.MoreSpecialTokens);
        double[] scores = new double[vocabulary.Count];
        for (int i = 0; i < pieces.Count; i++)
            scores[options.Reserved + i] = pieces[i].Score;
        return new(vocabulary, scores, new(normalizer, options.ByteFallback, SplitsWords: true));
    }

    /// <summary>Log probability of a piece; 0 for special tokens and bytes, −10³⁰ for tokens that
    /// text is never cut into.</summary>
    /// <exception cref="ArgumentException"><paramref name="id"/> is outside the vocabulary.
    /// </exception>
    public double Score(int id)
    {
        _ = Token(id);
        return _scores[id];
    }

    /// <summary>The most probable ways to cut a text, best first.</summary>
    /// <param name="text">Any text. Names of special tokens in it are plain text.</param>
    /// <param name="count">Most ways to give, at least 1.</param>
    /// <returns>Token ids of each way and its log probability; fewer than asked for where there
    /// are not as many.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="text"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="count"/> is below 1.</exception>
    public IReadOnlyList<(int[] Ids, double Score)> EncodeBest(string text, int count)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (count < 1)
        {
            throw new ArgumentException(
                $"UnigramTokenizer: 'count' is {count}; expected at least 1.");
        }
        List<(int[] Ids, double Score)> best = [([], 0)];
        AlignedText normal = _normalizer.Apply(WellFormed(text), isTracked: false);
        foreach ((int start, int end) in Segments(normal.Text))
        {
            ReadOnlySpan<char> word = normal.Text[start..end];
            List<(int[] Ids, double Score)> next = [];
            foreach ((UnigramEdge[] path, double score) in _model.Best(word, count))
            {
                int[] ids = Ids(word, path);
                next.AddRange(best.Select(way => ((int[])[.. way.Ids, .. ids], way.Score + score)));
            }
            best = [.. next.OrderByDescending(way => way.Score).Take(count)];
        }
        return best;
    }

    /// <summary>A way to cut a text, drawn from all ways.</summary>
    /// <param name="text">Any text. Names of special tokens in it are plain text.</param>
    /// <param name="alpha">Smoothing: ways are drawn in proportion to their probability to this
    /// power; 0 takes all alike, 1 follows the model.</param>
    /// <param name="seed">The same seed gives the same way.</param>
    /// <returns>Token ids [length].</returns>
    /// <exception cref="ArgumentNullException"><paramref name="text"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="alpha"/> is negative or no number.
    /// </exception>
    public int[] EncodeSample(string text, double alpha, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(text);
        CheckAlpha(alpha);
        SplitMix64 random = new(seed);
        AlignedText normal = _normalizer.Apply(WellFormed(text), isTracked: false);
        List<int> ids = [];
        foreach ((int start, int end) in Segments(normal.Text))
        {
            ReadOnlySpan<char> word = normal.Text[start..end];
            ids.AddRange(Ids(word, _model.Sample(word, alpha, () => Unit(random))));
        }
        return [.. ids];
    }

    /// <summary>A way to cut a text, drawn from the most probable ones.</summary>
    /// <param name="text">Any text. Names of special tokens in it are plain text.</param>
    /// <param name="alpha">Smoothing, as above.</param>
    /// <param name="seed">The same seed gives the same way.</param>
    /// <param name="count">Ways to draw from, at least 1.</param>
    /// <returns>Token ids [length].</returns>
    /// <exception cref="ArgumentNullException"><paramref name="text"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="alpha"/> is negative or no number, or
    /// <paramref name="count"/> is below 1.</exception>
    public int[] EncodeSample(string text, double alpha, ulong seed, int count)
    {
        CheckAlpha(alpha);
        IReadOnlyList<(int[] Ids, double Score)> ways = EncodeBest(text, count);
        double[] weights = [.. ways.Select(way => Math.Exp(alpha * (way.Score - ways[0].Score)))];
        double left = Unit(new(seed)) * weights.Sum();
        int chosen = 0;
        while (chosen + 1 < weights.Length && (left -= weights[chosen]) >= 0) chosen++;
        return ways[chosen].Ids;
    }

    internal static UnigramTokenizer Read(TokenizerFile file) => UnigramFile.Read(file);

    private protected override void AppendTokens(ReadOnlySpan<char> text, TokenSink sink)
    {
        AlignedText normal = _normalizer.Apply(text, sink.WantsOffsets);
        foreach ((int start, int end) in Segments(normal.Text))
        {
            ReadOnlySpan<char> word = normal.Text[start..end];
            if (sink.WantsOffsets)
            {
                AppendWithOffsets(normal, start, word, sink);
                continue;
            }
            ulong hash = PieceCache.Hash(word);
            int[]? ids = _remembered.Find(word, hash);
            if (ids is null)
            {
                ids = Ids(word, _model.Best(word));
                _remembered.Add(word, hash, ids);
            }
            sink.AddRange(ids);
        }
    }

    private protected override string Join(ReadOnlySpan<int> ids)
    {
        StringBuilder text = new(ids.Length * 4);
        List<byte> bytes = [];
        foreach (int id in ids)
        {
            if (_byteOfId[id] >= 0)
            {
                bytes.Add((byte)_byteOfId[id]);
                continue;
            }
            Flush();
            text.Append(Vocabulary[id]);
        }
        Flush();
        text.Replace(SpaceMark, ' ');
        return text.Length > 0 && text[0] == ' ' ? text.ToString(1, text.Length - 1)
            : text.ToString();

        void Flush()
        {
            text.Append(Encoding.UTF8.GetString(CollectionsMarshal.AsSpan(bytes)));
            bytes.Clear();
        }
    }

    private protected override void WriteSections(Utf8JsonWriter json) =>
        UnigramFile.WriteSections(json, Vocabulary, _scores, _options);

    private static Dictionary<string, long> Count(
        IEnumerable<string> lines, TextNormalizer normalizer)
    {
        Dictionary<string, long> counts = new(StringComparer.Ordinal);
        var bySpan = counts.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (string line in lines)
        {
            AlignedText normal = normalizer.Apply(line, isTracked: false);
            foreach ((int start, int end) in SegmentsOf(normal.Text, splitsWords: true))
            {
                CollectionsMarshal.GetValueRefOrAddDefault(
                    bySpan, normal.Text[start..end], out _)++;
            }
        }
        return counts;
    }

    private List<(int Start, int End)> Segments(ReadOnlySpan<char> text) =>
        SegmentsOf(text, _options.SplitsWords);

    /// <summary>Parts that each begin with the mark; the whole text where words are not split.
    /// </summary>
    private static List<(int Start, int End)> SegmentsOf(
        ReadOnlySpan<char> text, bool splitsWords)
    {
        List<(int, int)> segments = [];
        for (int start = 0; start < text.Length;)
        {
            int length = splitsWords ? text[(start + 1)..].IndexOf(SpaceMark) : -1;
            int end = length < 0 ? text.Length : start + 1 + length;
            segments.Add((start, end));
            start = end;
        }
        return segments;
    }

    /// <summary>Ids of a cut: neighbouring unknown characters are one token, or bytes.</summary>
    private int[] Ids(ReadOnlySpan<char> word, UnigramEdge[] path)
    {
        List<int> ids = new(path.Length);
        bool follows = false;
        foreach (UnigramEdge edge in path)
        {
            bool isUnknown = edge.Id == UnigramModel.Unknown;
            if (!isUnknown) ids.Add(IdOf(edge));
            else if (ByteFallback) AddBytes(word[edge.Start..edge.End], ids);
            else if (!follows) ids.Add(Special.Unknown);
            follows = isUnknown;
        }
        return [.. ids];
    }

    // The pieces without an id come after the others.
    private int IdOf(UnigramEdge edge) =>
        edge.Id < Vocabulary.Count ? edge.Id : Special.Unknown;

    private void AddBytes(ReadOnlySpan<char> character, List<int> ids)
    {
        Span<byte> bytes = stackalloc byte[4];
        foreach (byte b in bytes[..Encoding.UTF8.GetBytes(character, bytes)])
            ids.Add(_idOfByte[b]);
    }

    private void AppendWithOffsets(
        AlignedText normal, int wordStart, ReadOnlySpan<char> word, TokenSink sink)
    {
        UnigramEdge[] path = _model.Best(word);
        List<int> bytes = [];
        for (int i = 0; i < path.Length; i++)
        {
            UnigramEdge edge = path[i];
            bool isUnknown = edge.Id == UnigramModel.Unknown;
            int end = edge.End;
            if (isUnknown && !ByteFallback)
            {
                while (i + 1 < path.Length && path[i + 1].Id == UnigramModel.Unknown)
                    end = path[++i].End;
            }
            TokenOffset place = normal.Origin(wordStart + edge.Start, wordStart + end);
            if (!isUnknown || !ByteFallback)
            {
                sink.Add(isUnknown ? Special.Unknown : IdOf(edge), place.Start, place.End);
                continue;
            }
            bytes.Clear();
            AddBytes(word[edge.Start..edge.End], bytes);
            foreach (int id in bytes) sink.Add(id, place.Start, place.End);
        }
    }

    private static void CheckAlpha(double alpha)
    {
        if (alpha >= 0 && double.IsFinite(alpha)) return;
        throw new ArgumentException(string.Create(
            System.Globalization.CultureInfo.InvariantCulture,
            $"UnigramTokenizer: 'alpha' is {alpha}; expected a number from 0 up."));
    }

    private static double Unit(SplitMix64 random) => (random.Next() >> 11) * (1.0 / (1L << 53));
}
