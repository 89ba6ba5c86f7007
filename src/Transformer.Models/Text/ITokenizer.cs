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
