using System.Text.Json;
using Transformer.Models.Interchange;

namespace Transformer.Models.Text;

/// <summary>What all tokenizers share: vocabulary, special tokens, file handling.</summary>
/// <remarks>A kind of tokenizer adds its splitting, its joining, its sections of the file, and
/// one line to <see cref="Load"/>.</remarks>
public abstract class Tokenizer : ITokenizer
{
    private protected Tokenizer(Vocabulary vocabulary) => Vocabulary = vocabulary;

    /// <inheritdoc/>
    public int VocabularySize => Vocabulary.Count;

    /// <inheritdoc/>
    public SpecialTokens Special => Vocabulary.Special;

    private protected Vocabulary Vocabulary { get; }

    /// <summary>Reads a tokenizer of any kind from a tokenizer.json file.</summary>
    /// <param name="path">File in Hugging Face's format, model type WordLevel or BPE.</param>
    /// <returns>A <see cref="CharacterTokenizer"/>, a <see cref="WordTokenizer"/> or a
    /// <see cref="BytePairTokenizer"/>.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged or asks for what the tokenizers
    /// here do not do; the message names the file and the fault.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static Tokenizer Load(string path)
    {
        using TokenizerFile file = TokenizerFile.Open(path);
        return file.Read<Tokenizer>(() => file.ModelType switch
        {
            CharacterTokenizer.ModelType when CharacterTokenizer.Reads(file) =>
                CharacterTokenizer.Read(file),
            WordTokenizer.ModelType => WordTokenizer.Read(file),
            BytePairTokenizer.ModelType => BytePairTokenizer.Read(file),
            string other => throw file.Error(
                $"has model type '{other}'; expected '{WordTokenizer.ModelType}' or " +
                $"'{BytePairTokenizer.ModelType}'."),
        });
    }

    /// <inheritdoc/>
    public int[] Encode(string text) => Encode(text, addBos: false, addEos: false);

    /// <inheritdoc/>
    public int[] Encode(string text, bool addBos, bool addEos)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<int> ids = new((text.Length / 3) + 4);
        if (addBos) ids.Add(Special.Bos);
        AppendIds(WellFormed(text), ids);
        if (addEos) ids.Add(Special.Eos);
        return [.. ids];
    }

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

    /// <summary>Appends the ids of a text that holds no lone surrogate.</summary>
    private protected abstract void AppendIds(ReadOnlySpan<char> text, List<int> ids);

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
