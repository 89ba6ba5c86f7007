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

    private readonly BytePairMerge[] _merges;
    private readonly BytePairMerger _merger;
    private readonly byte[][] _bytesOf;
    private readonly PieceCache _remembered = new();

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
    }

    /// <summary>Number of merges learnt.</summary>
    public int MergeCount => _merges.Length;

    /// <summary>Learns pieces from text.</summary>
    /// <param name="lines">Training text; the order of the lines does not matter. For joint
    /// pieces of two languages, the lines of both.</param>
    /// <param name="options">Size; null gives 10,000 pieces.</param>
    /// <param name="progress">Told the part done, 0 to 1.</param>
    /// <param name="cancellation">Stops the training.</param>
    /// <returns>Special tokens, ids 0 to 3 and more if asked for, 256 bytes, then pieces in the
    /// order learnt; fewer than asked for where no pair is frequent enough.</returns>
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
        int specials = SpecialTokens.Names.Count + options.MoreSpecialTokens.Count;
        BytePairTrainer trainer = BytePairTrainer.OverBytes(counts, firstId: specials);
        trainer.Run(
            options.VocabularySize - specials, options.MinFrequency, progress, cancellation);
        Vocabulary vocabulary =
            Vocabulary.WithSpecialTokens(trainer.Pieces, options.MoreSpecialTokens);
        return new(vocabulary, [.. trainer.Merges]);
    }

    /// <summary>Reads GPT-2's two files.</summary>
    /// <param name="vocabularyPath">vocab.json: an object of ids by token.</param>
    /// <param name="mergesPath">merges.txt: a merge a line, first learnt first.</param>
    /// <returns>Special are the tokens with names in use for that, such as &lt;|endoftext|&gt;.
    /// </returns>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or they do not belong together;
    /// the message names the file, and the line where there is one.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static BytePairTokenizer LoadGpt2(string vocabularyPath, string mergesPath)
    {
        Vocabulary vocabulary = Gpt2Files.ReadVocabulary(vocabularyPath);
        return new(vocabulary, Gpt2Files.ReadMerges(mergesPath, vocabulary));
    }

    /// <summary>Writes GPT-2's two files.</summary>
    /// <param name="vocabularyPath">Receives vocab.json.</param>
    /// <param name="mergesPath">Receives merges.txt.</param>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public void SaveGpt2(string vocabularyPath, string mergesPath)
    {
        Gpt2Files.WriteVocabulary(vocabularyPath, Vocabulary);
        Gpt2Files.WriteMerges(mergesPath, Vocabulary, _merges);
    }

    /// <summary>The tokenizer that training would have given with a smaller vocabulary.</summary>
    internal BytePairTokenizer Shortened(int size)
    {
        int merges = Array.FindIndex(_merges, merge => merge.Id >= size);
        Vocabulary vocabulary = new(
            [.. Enumerable.Range(0, size).Select(id => Vocabulary[id])],
            Enumerable.Range(0, size).Where(Vocabulary.IsSpecial), Special);
        return new(vocabulary, merges < 0 ? _merges : _merges[..merges]);
    }

    internal static BytePairTokenizer Read(TokenizerFile file)
    {
        BytePairFile.CheckSections(file);
        Vocabulary vocabulary = file.ReadVocabulary(unknown: null);
        BytePairFile.CheckPieces(file.Error, vocabulary);
        return new(vocabulary, BytePairFile.ReadMerges(file, vocabulary));
    }

    private protected override void AppendTokens(ReadOnlySpan<char> text, TokenSink sink)
    {
        int start = 0;
        foreach (ReadOnlySpan<char> word in new ByteLevelSplitter(text))
        {
            ulong hash = PieceCache.Hash(word);
            int[]? pieces = _remembered.Find(word, hash);
            if (pieces is null)
            {
                pieces = _merger.Encode(word);
                _remembered.Add(word, hash, pieces);
            }
            if (pieces.Length == 1) sink.Add(pieces[0]);
            else sink.AddRange(pieces);
            if (sink.WantsOffsets) AddOffsets(word, start, pieces, sink);
            start += word.Length;
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

    /// <summary>Places of a word's pieces: all characters that a piece has a byte of.</summary>
    private void AddOffsets(
        ReadOnlySpan<char> word, int start, ReadOnlySpan<int> pieces, TokenSink sink)
    {
        int index = 0, bytesLeft = 0, last = 0;
        foreach (int id in pieces)
        {
            // A character that the piece before ended within begins this one, too.
            int first = bytesLeft > 0 ? last : index;
            int bytes = _bytesOf[id].Length - bytesLeft;
            while (bytes > 0)
            {
                Rune.DecodeFromUtf16(word[index..], out Rune rune, out int length);
                last = index;
                index += length;
                bytes -= rune.Utf8SequenceLength;
            }
            bytesLeft = -bytes;
            sink.AddOffset(start + first, start + index);
        }
    }
}
