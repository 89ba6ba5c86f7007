using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;

namespace Transformer.Models.Text;

/// <summary>Byte-pair encoding over bytes: frequent words are one token, every text has tokens,
/// and decoding gives back the exact text.</summary>
/// <remarks>Sennrich, Haddow and Birch (2016), with the bytes as alphabet and the cutting of
/// text before merging that GPT-2 uses (Radford et al., 2019): a space stays with the word after
/// it. Text that is no valid UTF-16 (lone surrogates) counts as U+FFFD there. Words once encoded
/// are remembered, up to a bound, for all threads.</remarks>
public sealed class BytePairTokenizer : Tokenizer
{
    internal const string ModelType = "BPE";

    private const int LongestRememberedWord = 64;
    private const int MostRememberedWords = 1 << 17;

    private readonly BytePairMerge[] _merges;
    private readonly BytePairMerger _merger;
    private readonly byte[][] _bytesOf;
    private readonly ConcurrentDictionary<string, int[]> _remembered = new();
    private readonly ConcurrentDictionary<string, int[]>.AlternateLookup<ReadOnlySpan<char>>
        _rememberedBySpan;
    private int _rememberedCount;

    /// <param name="vocabulary">Holds every byte; spelled in <see cref="ByteAlphabet"/>.</param>
    /// <param name="merges">Merges in the order learnt; each pair once.</param>
    private BytePairTokenizer(Vocabulary vocabulary, BytePairMerge[] merges)
        : base(vocabulary)
    {
        _merges = merges;
        _bytesOf = new byte[vocabulary.Count][];
        for (int id = 0; id < _bytesOf.Length; id++)
        {
            _bytesOf[id] = [];
            if (!vocabulary.IsSpecial(id))
                _ = ByteAlphabet.TryToBytes(vocabulary[id], out _bytesOf[id]);
        }
        int[] idOfByte = new int[256];
        for (int b = 0; b < idOfByte.Length; b++)
            idOfByte[b] = vocabulary.Id($"{ByteAlphabet.ToChar((byte)b)}");
        _merger = new(idOfByte, merges);
        _rememberedBySpan = _remembered.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>Number of merges learnt.</summary>
    public int MergeCount => _merges.Length;

    /// <summary>Learns pieces from text.</summary>
    /// <param name="lines">Training text; the order of the lines does not matter. For joint
    /// pieces of two languages, the lines of both.</param>
    /// <param name="options">Size; null gives 10,000 pieces.</param>
    /// <param name="progress">Told the part done, 0 to 1.</param>
    /// <param name="cancellation">Stops the training.</param>
    /// <returns>Ids 0 to 3 are the special tokens, 4 to 259 the bytes, then pieces in the order
    /// learnt; fewer than asked for where no pair is frequent enough.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="lines"/> is null.</exception>
    /// <exception cref="ArgumentException">An option is out of range, or there is no text.
    /// </exception>
    /// <exception cref="OperationCanceledException">The training was stopped.</exception>
    public static BytePairTokenizer Train(
        IEnumerable<string> lines,
        BytePairOptions? options = null,
        IProgress<double>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(lines);
        options ??= new();
        options.Validate();

        Dictionary<string, long> counts = BytePairTrainer.Count(lines, WellFormed);
        if (counts.Count == 0)
        {
            throw new ArgumentException(
                "BytePairTokenizer: the training text is empty; expected lines of text.");
        }
        int specials = SpecialTokens.Names.Count;
        BytePairTrainer trainer = new(counts, firstId: specials);
        trainer.Run(
            options.VocabularySize - specials, options.MinFrequency, progress, cancellation);
        Vocabulary vocabulary = Vocabulary.WithSpecialTokens(trainer.Pieces);
        return new(vocabulary, [.. trainer.Merges]);
    }

    internal static BytePairTokenizer Read(TokenizerFile file)
    {
        BytePairFile.CheckSections(file);
        Vocabulary vocabulary = file.ReadVocabulary();
        BytePairFile.CheckPieces(file, vocabulary);
        return new(vocabulary, BytePairFile.ReadMerges(file, vocabulary));
    }

    private protected override void AppendIds(ReadOnlySpan<char> text, List<int> ids)
    {
        foreach (ReadOnlySpan<char> word in new ByteLevelSplitter(text))
        {
            if (!_rememberedBySpan.TryGetValue(word, out int[]? pieces))
            {
                pieces = _merger.Encode(word);
                Remember(word, pieces);
            }
            if (pieces.Length == 1) ids.Add(pieces[0]);
            else ids.AddRange(pieces);
        }
    }

    private protected override string Join(ReadOnlySpan<int> ids)
    {
        int length = 0;
        foreach (int id in ids) length = checked(length + _bytesOf[id].Length);
        byte[] bytes = new byte[length];
        Span<byte> rest = bytes;
        foreach (int id in ids)
        {
            _bytesOf[id].CopyTo(rest);
            rest = rest[_bytesOf[id].Length..];
        }
        return Encoding.UTF8.GetString(bytes);
    }

    private protected override void WriteSections(Utf8JsonWriter json) =>
        BytePairFile.WriteSections(json, Vocabulary, _merges);

    private void Remember(ReadOnlySpan<char> word, int[] pieces)
    {
        if (word.Length > LongestRememberedWord || _rememberedCount >= MostRememberedWords) return;
        if (_rememberedBySpan.TryAdd(word, pieces)) Interlocked.Increment(ref _rememberedCount);
    }
}
