namespace Transformer.Models.Text;

/// <summary>Turns text into token ids and back. Safe to call from many threads at once.</summary>
public interface ITokenizer
{
    /// <summary>Number of tokens, special tokens included; ids are 0 to this number − 1.</summary>
    int VocabularySize { get; }

    /// <summary>Ids of the special tokens.</summary>
    SpecialTokens Special { get; }

    /// <summary>Ids of <paramref name="text"/>, no special token added.</summary>
    /// <param name="text">Any text. Names of special tokens in it are plain text.</param>
    /// <returns>Token ids [length]; empty for empty text.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="text"/> is null.</exception>
    int[] Encode(string text);

    /// <summary>Ids of <paramref name="text"/> between the chosen special tokens.</summary>
    /// <param name="text">Any text. Names of special tokens in it are plain text.</param>
    /// <param name="addBos">Puts <see cref="SpecialTokens.Bos"/> first.</param>
    /// <param name="addEos">Puts <see cref="SpecialTokens.Eos"/> last.</param>
    /// <returns>Token ids [length].</returns>
    /// <exception cref="ArgumentNullException"><paramref name="text"/> is null.</exception>
    int[] Encode(string text, bool addBos, bool addEos);

    /// <summary>Ids of <paramref name="text"/>.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="options">What to add, and whether to look for special tokens.</param>
    /// <returns>Token ids [length].</returns>
    /// <exception cref="ArgumentNullException"><paramref name="text"/> is null.</exception>
    int[] Encode(string text, EncodingOptions options);

    /// <summary>Tokens of <paramref name="text"/> and where each of them stands in it.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="options">What to add, and whether to look for special tokens.</param>
    /// <exception cref="ArgumentNullException"><paramref name="text"/> is null.</exception>
    TokenizedText Tokenize(string text, EncodingOptions options = default);

    /// <summary>Ids of many texts, encoded on many threads.</summary>
    /// <param name="texts">Texts [batch].</param>
    /// <param name="options">What to add, and whether to look for special tokens.</param>
    /// <param name="threads">Most threads; 0: one for each processor.</param>
    /// <returns>Token ids [batch] in the order of the texts, each as <see
    /// cref="Encode(string, EncodingOptions)"/> gives them.</returns>
    /// <exception cref="ArgumentException">A text is null, or <paramref name="threads"/> is
    /// negative.</exception>
    int[][] EncodeBatch(
        IReadOnlyList<string> texts, EncodingOptions options = default, int threads = 0);

    /// <summary>Texts of many token sequences, decoded on many threads.</summary>
    /// <param name="ids">Token ids [batch].</param>
    /// <param name="threads">Most threads; 0: one for each processor.</param>
    /// <returns>Texts [batch], each as <see cref="Decode"/> gives them.</returns>
    /// <exception cref="ArgumentException">A sequence is null or has an id outside the
    /// vocabulary, or <paramref name="threads"/> is negative.</exception>
    string[] DecodeBatch(IReadOnlyList<int[]> ids, int threads = 0);

    /// <summary>Text of <paramref name="ids"/>; special tokens are left out.</summary>
    /// <param name="ids">Token ids [length].</param>
    /// <exception cref="ArgumentException">An id is outside the vocabulary.</exception>
    string Decode(ReadOnlySpan<int> ids);

    /// <summary>The token with an id, spelled as in the tokenizer's file.</summary>
    /// <exception cref="ArgumentException"><paramref name="id"/> is outside the vocabulary.
    /// </exception>
    string Token(int id);

    /// <summary>Id of a token spelled as in the tokenizer's file, special tokens included;
    /// <see cref="SpecialTokens.Unknown"/> where there is none.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="token"/> is null.</exception>
    int Id(string token);

    /// <summary>Writes the tokenizer in Hugging Face's tokenizer.json format.</summary>
    /// <param name="path">File to write: beside it first, flushed, then renamed.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    void Save(string path);
}
