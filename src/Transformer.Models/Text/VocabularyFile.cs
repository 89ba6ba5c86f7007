using System.Text;
using System.Text.Json;
using Transformer.Models.Interchange;

namespace Transformer.Models.Text;

/// <summary>BERT's vocab.txt: a token a line, ids from 0 in the order of the lines.</summary>
internal static class VocabularyFile
{
    /// <summary>Reads the file; see <see cref="WordPieceTokenizer.LoadVocabulary"/>.</summary>
    public static WordPieceTokenizer Read(string path, bool? lowercase)
    {
        string[] tokens = TextFiles.ReadLines(path);
        Dictionary<string, int> ids = new(tokens.Length, StringComparer.Ordinal);
        for (int i = 0; i < tokens.Length; i++)
        {
            if (tokens[i].Length == 0)
                throw Error(path, i, "is empty; expected a token.");
            if (!ids.TryAdd(tokens[i], i))
            {
                throw Error(path, i,
                    $"has the token '{tokens[i]}' of line {ids[tokens[i]] + 1} a second time.");
            }
        }
        if (!ids.ContainsKey(WordPieceTokenizer.UnknownName))
        {
            throw new InvalidDataException($"Vocabulary file '{path}' has no token " +
                $"'{WordPieceTokenizer.UnknownName}'; expected BERT's vocab.txt, a token a line.");
        }
        SpecialTokens special = SpecialRoles.Find(Find) ?? throw new InvalidDataException(
            $"Vocabulary file '{path}' {SpecialRoles.Missing}");
        lowercase ??= ReadLowercase(path) ??
            !ids.Keys.Any(token => !SpecialRoles.IsKnown(token) && token.Any(char.IsUpper));
        WordPieceOptions options = new() { Lowercase = lowercase.Value };
        Vocabulary vocabulary = new(
            tokens, ids.Where(entry => SpecialRoles.IsKnown(entry.Key)).Select(e => e.Value),
            special);
        return new(vocabulary, options.Normalizer());

        int? Find(string name) => ids.TryGetValue(name, out int id) ? id : null;
    }

    /// <summary>do_lower_case of the tokenizer_config.json beside the file, if any.</summary>
    private static bool? ReadLowercase(string path)
    {
        string config = Path.Combine(Path.GetDirectoryName(path) ?? "", "tokenizer_config.json");
        if (!File.Exists(config)) return null;
        using JsonDocument document = TokenizerFile.Parse(config);
        bool isStated = document.RootElement.ValueKind == JsonValueKind.Object &&
            document.RootElement.TryGetProperty("do_lower_case", out JsonElement flag) &&
            (flag.ValueKind is JsonValueKind.True or JsonValueKind.False);
        return isStated
            ? document.RootElement.GetProperty("do_lower_case").GetBoolean() : null;
    }

    /// <summary>Writes the file.</summary>
    public static void Write(string path, Vocabulary vocabulary) => AtomicFile.Write(path, file =>
    {
        using StreamWriter writer = new(file, new UTF8Encoding(false), leaveOpen: true);
        writer.NewLine = "\n";
        for (int id = 0; id < vocabulary.Count; id++) writer.WriteLine(vocabulary[id]);
    });

    private static InvalidDataException Error(string path, int index, string fault) =>
        new($"Vocabulary file '{path}', line {index + 1}: {fault}");
}
