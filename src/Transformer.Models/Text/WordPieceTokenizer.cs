using System.Text;
using System.Text.Json;

namespace Transformer.Models.Text;

/// <summary>BERT's tokenizer: words are cut into the longest pieces known, those within a word
/// marked ##; a word that cannot be cut so is [UNK].</summary>
/// <remarks>Text is cleaned of control characters, Chinese characters stand apart, case and
/// accents are folded where the tokenizer is uncased, words end at white space and at each
/// punctuation mark (Devlin et al. 2018). Words of more than 100 characters are [UNK]. Decoding
/// gives words back, not the spacing nor what was folded.</remarks>
public sealed class WordPieceTokenizer : Tokenizer
{
    /// <summary>Marks a piece that continues a word.</summary>
    public const string Continuation = "##";

    internal const string ModelType = "WordPiece";
    internal const string VocabularyName = "vocab.txt";
    internal const string UnknownName = "[UNK]";
    internal const int DefaultLongestWord = 100;

    private readonly TextNormalizer _normalizer;
    private readonly int _longestWord;
    private readonly bool _cleansUp;
    private readonly PieceTrie _beginnings;
    private readonly PieceTrie _continuations;
    private readonly PieceCache _remembered = new();

    internal WordPieceTokenizer(
        Vocabulary vocabulary, TextNormalizer normalizer, int longestWord = DefaultLongestWord,
        bool cleansUp = true)
        : base(vocabulary)
    {
        (_normalizer, _longestWord, _cleansUp) = (normalizer, longestWord, cleansUp);
        _beginnings = new(Pieces(isContinuation: false));
        _continuations = new(Pieces(isContinuation: true));
    }

    /// <summary>Names of the special tokens that training gives, ids 0 to 4.</summary>
    public static IReadOnlyList<string> SpecialNames { get; } =
        ["[PAD]", UnknownName, "[CLS]", "[SEP]", "[MASK]"];

    /// <summary>Whether text is folded to lower case first ("uncased").</summary>
    public bool Lowercase => _normalizer.Lowercase;

    /// <summary>Whether accents are dropped first.</summary>
    public bool StripAccents => _normalizer.StripAccents;

    /// <summary>Learns pieces from text: again and again the most frequent pair of neighbours
    /// within words becomes one piece.</summary>
    /// <param name="lines">Training text; the order of the lines does not matter.</param>
    /// <param name="options">Size and folding; null: 30,000 uncased pieces.</param>
    /// <param name="progress">Told the part done, 0 to 1.</param>
    /// <param name="cancellation">Stops the training.</param>
    /// <returns>Ids 0 to 4 are [PAD], [UNK], [CLS], [SEP] and [MASK], then come characters that
    /// begin words, characters within words, and pieces in the order learnt.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="lines"/> is null.</exception>
    /// <exception cref="ArgumentException">An option is out of range, or there is no text.
    /// </exception>
    /// <exception cref="OperationCanceledException">The training was stopped.</exception>
    /// <remarks>Pairs are chosen by their count, as Hugging Face's WordPieceTrainer does, not by
    /// count over the product of the parts' counts.</remarks>
    public static WordPieceTokenizer Train(
        IEnumerable<string> lines,
        WordPieceOptions? options = null,
        IProgress<double>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(lines);
        options ??= new();
        options.Validate();
        TextNormalizer normalizer = options.Normalizer();
        IReadOnlyList<string> pieces = WordPieceTrainer.Learn(
            lines.Select(WellFormed), normalizer, options, progress, cancellation);
        string[] special = [.. SpecialNames, .. options.MoreSpecialTokens];
        Vocabulary vocabulary = new(
            [.. special, .. pieces], Enumerable.Range(0, special.Length), new(0, 1, 2, 3));
        return new(vocabulary, normalizer);
    }

    /// <summary>Reads BERT's vocab.txt: a token a line, the id being the line's number from 0.
    /// </summary>
    /// <param name="path">File in UTF-8.</param>
    /// <param name="lowercase">Whether text is folded to lower case and loses its accents; null:
    /// as do_lower_case of a tokenizer_config.json beside it says, else where no token has a
    /// capital letter.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged; the message names file and
    /// line.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static WordPieceTokenizer LoadVocabulary(string path, bool? lowercase = null) =>
        VocabularyFile.Read(path, lowercase);

    /// <summary>Writes BERT's vocab.txt, which tells nothing of case.</summary>
    /// <param name="path">File to write: beside it first, flushed, then renamed.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void SaveVocabulary(string path) => VocabularyFile.Write(path, Vocabulary);

    internal static WordPieceTokenizer Read(TokenizerFile file)
    {
        (string unknown, int longest, bool cleansUp) = WordPieceFile.CheckSections(file);
        TextNormalizer normalizer = NormalizerFile.Read(file);
        Vocabulary vocabulary = file.ReadVocabulary(unknown);
        file.Require(
            vocabulary[vocabulary.Special.Unknown] == unknown,
            $"lacks the special token '{unknown}' in 'added_tokens'.");
        return new(vocabulary, normalizer, longest, cleansUp);
    }

    private protected override void AppendTokens(ReadOnlySpan<char> text, TokenSink sink)
    {
        AlignedText? normal =
            _normalizer.IsIdentity ? null : _normalizer.Apply(text, sink.WantsOffsets);
        BertSplitter words = new(normal is null ? text : normal.Text);
        while (words.MoveNext())
        {
            ulong hash = PieceCache.Hash(words.Current);
            int[]? pieces = _remembered.Find(words.Current, hash);
            if (pieces is null)
            {
                pieces = Cut(words.Current);
                _remembered.Add(words.Current, hash, pieces);
            }
            sink.AddRange(pieces);
            if (!sink.WantsOffsets) continue;
            int start = words.Start;
            foreach (int id in pieces)
            {
                int length = id == Special.Unknown
                    ? words.Current.Length : LengthOf(id, start, words.Start);
                TokenOffset place = normal is null
                    ? new(start, start + length) : normal.Origin(start, start + length);
                sink.AddOffset(place.Start, place.End);
                start += length;
            }
        }
    }

    private protected override string Join(ReadOnlySpan<int> ids)
    {
        StringBuilder text = new(ids.Length * 5);
        foreach (int id in ids)
        {
            string piece = Vocabulary[id];
            bool continues = text.Length > 0 &&
                piece.StartsWith(Continuation, StringComparison.Ordinal);
            if (text.Length > 0 && !continues) text.Append(' ');
            text.Append(continues ? piece.AsSpan(Continuation.Length) : piece);
        }
        return _cleansUp ? WordPieceFile.CleanUp(text).ToString() : text.ToString();
    }

    private protected override void WriteSections(Utf8JsonWriter json)
    {
        NormalizerFile.Write(json, _normalizer);
        WordPieceFile.WriteSections(json, Vocabulary, _longestWord, _cleansUp);
    }

    private IEnumerable<(string Piece, int Id)> Pieces(bool isContinuation)
    {
        for (int id = 0; id < Vocabulary.Count; id++)
        {
            string piece = Vocabulary[id];
            if (Vocabulary.IsSpecial(id)) continue;
            if (!isContinuation)
                yield return (piece, id);
            else if (piece.Length > 2 && piece.StartsWith(Continuation, StringComparison.Ordinal))
                yield return (piece[Continuation.Length..], id);
        }
    }

    private int LengthOf(int id, int start, int wordStart) =>
        Vocabulary[id].Length - (start > wordStart ? Continuation.Length : 0);

    /// <summary>Longest pieces first to last; [UNK] where some part has none.</summary>
    private int[] Cut(ReadOnlySpan<char> word)
    {
        int[] unknown = [Special.Unknown];
        if (word.Length > _longestWord && CodePoints(word) > _longestWord) return unknown;
        List<int> pieces = [];
        PieceTrie trie = _beginnings;
        while (!word.IsEmpty)
        {
            if (!trie.TryLongest(word, out int id, out int length)) return unknown;
            pieces.Add(id);
            word = word[length..];
            trie = _continuations;
        }
        return [.. pieces];
    }

    private static int CodePoints(ReadOnlySpan<char> word)
    {
        int count = 0;
        foreach (char c in word) count += char.IsLowSurrogate(c) ? 0 : 1;
        return count;
    }
}
