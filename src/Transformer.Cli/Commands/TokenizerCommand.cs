using System.CommandLine;
using System.Globalization;
using Transformer.Models.Text;

namespace Transformer.Cli.Commands;

/// <summary><c>tokenizer train|encode|decode</c>.</summary>
internal static class TokenizerCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create() =>
        new("tokenizer", "Train a tokenizer; turn text into token ids and back.")
        {
            CreateTrain(),
            CreateEncode(),
            CreateDecode(),
        };

    private static Command CreateTrain()
    {
        Option<string> kind = new("--kind")
        {
            Description = "word (words and punctuation), bpe (byte pairs) or char (characters).",
            Required = true,
        };
        kind.AcceptOnlyFromAmong("word", "bpe", "char");
        Option<string[]> input = new("--input")
        {
            Description = "Text files to learn from, UTF-8.",
            HelpName = "FILE",
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        OptionalNumberOption<int> vocabulary = new("--vocabulary")
        {
            Description = "Most tokens, special ones included; by default every word, or 10000 " +
                "byte pairs.",
            HelpName = "N",
        };
        Option<bool> lowercase = new("--lowercase") { Description = "Fold to lower case (word)." };
        Option<string> target = new("--out")
        {
            Description = "Receives the tokenizer.json.",
            HelpName = "FILE",
            Required = true,
        };
        Command command = new("train", "Learn a vocabulary from text.")
        {
            kind, input, vocabulary, lowercase, target,
        };
        command.SetAction((parsed, cancellation) => Task.Run(() =>
        {
            string[] lines = [.. parsed.GetRequiredValue(input).SelectMany(TextFiles.ReadLines)];
            Tokenizer tokenizer = TokenizerTraining.Train(
                parsed.GetRequiredValue(kind), lines, parsed.GetValue(vocabulary),
                parsed.GetValue(lowercase), cancellation);
            string file = parsed.GetRequiredValue(target);
            tokenizer.Save(file);
            parsed.InvocationConfiguration.Output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{tokenizer.VocabularySize} tokens from {lines.Length} lines: {file}"));
            return Application.Done;
        }, CancellationToken.None));
        return command;
    }

    private static Command CreateEncode()
    {
        Option<string> tokenizer = TokenizerFile();
        Option<bool> pieces = new("--pieces")
        {
            Description = "Print the pieces as the tokenizer's file spells them, not their ids.",
        };
        Command command = new("encode", "Turn text into token ids, one line a line.")
        {
            tokenizer, pieces,
        };
        TextInput text = new(command, "tokenizer encode", "Text");
        command.SetAction(parsed =>
        {
            Tokenizer loaded = Tokenizer.Load(parsed.GetRequiredValue(tokenizer));
            bool spelled = parsed.GetValue(pieces);
            foreach (string line in text.Batches(parsed).SelectMany(batch => batch))
            {
                int[] ids = loaded.Encode(line);
                parsed.InvocationConfiguration.Output.WriteLine(
                    spelled ? string.Join(' ', ids.Select(loaded.Token)) : string.Join(' ', ids));
            }

            return Application.Done;
        });
        return command;
    }

    private static Command CreateDecode()
    {
        Option<string> tokenizer = TokenizerFile();
        Command command = new("decode", "Turn token ids into text, one line a line.")
        {
            tokenizer,
        };
        TextInput text = new(command, "tokenizer decode", "Line of ids");
        command.SetAction(parsed =>
        {
            Tokenizer loaded = Tokenizer.Load(parsed.GetRequiredValue(tokenizer));
            foreach (string line in text.Batches(parsed).SelectMany(batch => batch))
                parsed.InvocationConfiguration.Output.WriteLine(loaded.Decode(Ids(line)));
            return Application.Done;
        });
        return command;
    }

    private static int[] Ids(string line) => Array.ConvertAll(
        line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries),
        word => int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int id)
            ? id
            : throw new ArgumentException(
                $"tokenizer decode: '{word}' is no token id; expected whole numbers."));

    private static Option<string> TokenizerFile() => new("--tokenizer")
    {
        Description = "A tokenizer.json of model type WordLevel or BPE.",
        HelpName = "FILE",
        Required = true,
    };
}
