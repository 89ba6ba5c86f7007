using Transformer.Models.Text;

namespace Transformer.Cli.Commands;

/// <summary>The formats that tokenizers are written in, by the names that the command line uses.
/// </summary>
internal static class TokenizerFiles
{
    /// <summary>Hugging Face's tokenizer.json.</summary>
    public const string Json = "json";

    private const string Gpt2 = "gpt2";
    private const string Bert = "bert";

    /// <summary>All names.</summary>
    public static string[] Formats { get; } = [Json, Gpt2, Bert];

    /// <summary>Requires that a kind of tokenizer can be written in a format.</summary>
    /// <exception cref="ArgumentException">It cannot.</exception>
    public static void Require(string format, string kind)
    {
        string? needed = format switch { Gpt2 => "bpe", Bert => "wordpiece", _ => null };
        if (needed is not null && kind != needed)
        {
            throw new ArgumentException($"tokenizer: format '{format}' is for kind '{needed}'; " +
                $"the kind is '{kind}'. Use format '{Json}', which holds every kind.");
        }
    }

    /// <summary>Writes a tokenizer.</summary>
    /// <param name="tokenizer">One whose kind fits the format.</param>
    /// <param name="format">One of <see cref="Formats"/>.</param>
    /// <param name="target">The file; GPT-2's two files: their folder.</param>
    /// <exception cref="ArgumentException">The kind does not fit the format.</exception>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void Write(Tokenizer tokenizer, string format, string target)
    {
        switch (tokenizer)
        {
            case BytePairTokenizer pairs when format == Gpt2:
                Directory.CreateDirectory(target);
                pairs.SaveGpt2(
                    Path.Combine(target, "vocab.json"), Path.Combine(target, "merges.txt"));
                break;
            case WordPieceTokenizer pieces when format == Bert:
                pieces.SaveVocabulary(target);
                break;
            default:
                Require(format, Kind(tokenizer));
                tokenizer.Save(target);
                break;
        }
    }

    /// <summary>Reads a tokenizer; of vocab.txt, which tells nothing of case, as asked for.
    /// </summary>
    /// <exception cref="ArgumentException">Case is stated for another format.</exception>
    public static Tokenizer Read(string path, bool cased)
    {
        if (!cased) return Tokenizer.Load(path);
        if (!path.EndsWith(".txt", StringComparison.OrdinalIgnoreCase))
        {
            throw new ArgumentException(
                $"tokenizer: --cased goes with BERT's vocab.txt, not with '{path}', which says " +
                "itself whether case counts. Leave the option out.");
        }

        return WordPieceTokenizer.LoadVocabulary(path, lowercase: false);
    }

    private static string Kind(Tokenizer tokenizer) => tokenizer switch
    {
        BytePairTokenizer => "bpe",
        WordPieceTokenizer => "wordpiece",
        UnigramTokenizer => "unigram",
        CharacterTokenizer => "char",
        _ => "word",
    };
}
