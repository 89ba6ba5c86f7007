using System.Text.Json;
using Transformer.Models.Interchange;

namespace Transformer.Models.Text;

/// <summary>What all tokenizers share: vocabulary, special tokens, file handling.</summary>
/// <remarks>A kind of tokenizer adds its splitting, its joining, its sections of the file, and
/// one line to <see cref="Load"/>.</remarks>
public abstract class Tokenizer : ITokenizer
{
    /// <summary>Texts that are worth a thread.</summary>
    private const int LeastBatch = 4;

    private protected Tokenizer(Vocabulary vocabulary) => Vocabulary = vocabulary;

    /// <inheritdoc/>
    public int VocabularySize => Vocabulary.Count;

    /// <inheritdoc/>
    public SpecialTokens Special => Vocabulary.Special;

    private protected Vocabulary Vocabulary { get; }

    /// <summary>Reads a tokenizer of any kind.</summary>
    /// <param name="path">A tokenizer.json file in Hugging Face's format; BERT's vocab.txt;
    /// GPT-2's vocab.json with merges.txt beside it; or a folder with one of these, looked for
    /// in this order: tokenizer.json, vocab.json, vocab.txt.</param>
    /// <returns>By the file's model type a <see cref="CharacterTokenizer"/>, a <see
    /// cref="WordTokenizer"/>, a <see cref="BytePairTokenizer"/>, a <see
    /// cref="WordPieceTokenizer"/> or a <see cref="UnigramTokenizer"/>.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged or asks for what the tokenizers
    /// here do not do; the message names the file and the fault.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static Tokenizer Load(string path)
    {
        if (Directory.Exists(path)) path = FileIn(path);
        string name = Path.GetFileName(path);
        if (name.EndsWith(".txt", StringComparison.OrdinalIgnoreCase))
            return WordPieceTokenizer.LoadVocabulary(path);
        if (name.Equals(Gpt2Files.VocabularyName, StringComparison.OrdinalIgnoreCase))
        {
            return BytePairTokenizer.LoadGpt2(
                path, Path.Combine(Path.GetDirectoryName(path) ?? "", Gpt2Files.MergesName));
        }
        using TokenizerFile file = TokenizerFile.Open(path);
        return file.Read<Tokenizer>(() => file.ModelType switch
        {
            CharacterTokenizer.ModelType when CharacterTokenizer.Reads(file) =>
                CharacterTokenizer.Read(file),
            WordTokenizer.ModelType => WordTokenizer.Read(file),
            BytePairTokenizer.ModelType => BytePairTokenizer.Read(file),
            WordPieceTokenizer.ModelType => WordPieceTokenizer.Read(file),
            UnigramTokenizer.ModelType => UnigramTokenizer.Read(file),
            string other => throw file.Error(
                $"has model type '{other}'; expected WordLevel, BPE, WordPiece or Unigram."),
        });
    }

    /// <inheritdoc/>
    public int[] Encode(string text) => Encode(text, default(EncodingOptions));

    /// <inheritdoc/>
    public int[] Encode(string text, bool addBos, bool addEos) =>
        Encode(text, new EncodingOptions { AddBos = addBos, AddEos = addEos });

    /// <inheritdoc/>
    public int[] Encode(string text, EncodingOptions options)
    {
        using TokenSink sink = Encode(text, options, wantsOffsets: false);
        return sink.ToIds();
    }

    /// <inheritdoc/>
    public TokenizedText Tokenize(string text, EncodingOptions options = default)
    {
        using TokenSink sink = Encode(text, options, wantsOffsets: true);
        return sink.ToText();
    }

    /// <inheritdoc/>
    public int[][] EncodeBatch(
        IReadOnlyList<string> texts, EncodingOptions options = default, int threads = 0) =>
        Batch(texts, text => Encode(text, options), threads);

    /// <inheritdoc/>
    public string[] DecodeBatch(IReadOnlyList<int[]> ids, int threads = 0) =>
        Batch(ids, sequence => Decode(sequence), threads);

    /// <inheritdoc/>
    public string Decode(ReadOnlySpan<int> ids)
    {
        int[] pieces = new int[ids.Length];
        int count = 0;
        foreach (int id in ids)
        {
            CheckId(id);
            if (!Vocabulary.IsSpecial(id)) pieces[count++] = id;
        }
        return Join(pieces.AsSpan(0, count));
    }

    /// <inheritdoc/>
    public string Token(int id)
    {
        CheckId(id);
        return Vocabulary[id];
    }

    /// <inheritdoc/>
    public int Id(string token)
    {
        ArgumentNullException.ThrowIfNull(token);
        return Vocabulary.Id(token);
    }

    /// <inheritdoc/>
    public void Save(string path) => AtomicFile.Write(path, stream =>
    {
        using Utf8JsonWriter json = new(stream, TokenizerFile.WriterOptions);
        json.WriteStartObject();
        TokenizerFile.WriteHeader(json, Vocabulary);
        WriteSections(json);
        json.WriteEndObject();
    });

    /// <summary>Gives the tokens of a text that holds no lone surrogate.</summary>
    private protected abstract void AppendTokens(ReadOnlySpan<char> text, TokenSink sink);

    /// <summary>Text of ids that are all in the vocabulary and none special.</summary>
    private protected abstract string Join(ReadOnlySpan<int> ids);

    /// <summary>Writes normalizer, pre_tokenizer, post_processor, decoder and model.</summary>
    private protected abstract void WriteSections(Utf8JsonWriter json);

    /// <summary>The text itself, or a copy with each lone surrogate replaced by U+FFFD: such text
    /// has no UTF-8 form, so it could be neither encoded nor written to a file.</summary>
    private protected static string WellFormed(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF')) return text;
        return string.Create(text.Length, text, static (chars, source) =>
        {
            source.CopyTo(chars);
            for (int i = 0; i < chars.Length; i++)
            {
                if (!char.IsSurrogate(chars[i])) continue;
                if (i + 1 < chars.Length && char.IsSurrogatePair(chars[i], chars[i + 1])) i++;
                else chars[i] = '\uFFFD';
            }
        });
    }

    private static TResult[] Batch<T, TResult>(
        IReadOnlyList<T> items, Func<T, TResult> convert, int threads)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(items);
        if (threads < 0)
        {
            throw new ArgumentException(
                $"Tokenizer: 'threads' is {threads}; expected 1 or more, or 0 for all.");
        }
        for (int i = 0; i < items.Count; i++)
        {
            if (items[i] is null)
                throw new ArgumentException($"Tokenizer: item {i} of the batch is null.");
        }
        TResult[] results = new TResult[items.Count];
        int most = threads == 0 ? Environment.ProcessorCount : threads;
        int parts = Math.Min(most, (items.Count + LeastBatch - 1) / LeastBatch);
        void Convert(int begin, int end)
        {
            for (int i = begin; i < end; i++) results[i] = convert(items[i]);
        }
        if (parts <= 1)
        {
            Convert(0, items.Count);
            return results;
        }
        // Small parts in turn, for texts differ in length.
        int size = Math.Max(1, items.Count / (parts * 8));
        Parallel.For(
            0, (items.Count + size - 1) / size, new() { MaxDegreeOfParallelism = parts },
            part => Convert(part * size, Math.Min(items.Count, (part + 1) * size)));
        return results;
    }

    private static string FileIn(string folder)
    {
        string[] names =
            ["tokenizer.json", Gpt2Files.VocabularyName, WordPieceTokenizer.VocabularyName];
        return names.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists) ??
            throw new FileNotFoundException(
                $"Cannot find a tokenizer in folder '{folder}'; expected {names[0]}, or " +
                $"{names[1]} with {Gpt2Files.MergesName}, or {names[2]}.", folder);
    }

    private TokenSink Encode(string text, EncodingOptions options, bool wantsOffsets)
    {
        ArgumentNullException.ThrowIfNull(text);
        TokenSink sink = new((text.Length / 3) + 4, wantsOffsets);
        if (options.AddBos) sink.Add(Special.Bos, 0, 0);
        ReadOnlySpan<char> whole = WellFormed(text);
        if (options.ParseSpecialTokens) AppendWithSpecial(whole, sink);
        else AppendTokens(whole, sink);
        sink.Shift = 0;
        if (options.AddEos) sink.Add(Special.Eos, text.Length, text.Length);
        return sink;
    }

    private void AppendWithSpecial(ReadOnlySpan<char> text, TokenSink sink)
    {
        int begin = 0;
        while (Vocabulary.FindSpecial(text[begin..], out int start, out int id))
        {
            sink.Shift = begin;
            if (start > 0) AppendTokens(text.Slice(begin, start), sink);
            int length = Vocabulary[id].Length;
            sink.Add(id, start, start + length);
            begin += start + length;
        }
        sink.Shift = begin;
        if (begin < text.Length) AppendTokens(text[begin..], sink);
    }

    private void CheckId(int id)
    {
        if ((uint)id >= (uint)Vocabulary.Count)
        {
            throw new ArgumentException(
                $"Tokenizer: id {id} is outside the vocabulary; expected 0 to " +
                $"{Vocabulary.Count - 1}. Use the tokenizer that the ids were made with.");
        }
    }
}
