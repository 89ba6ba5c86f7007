using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Transformer.Cli.Output;
using Transformer.Models.Text;

namespace Transformer.Cli.Commands;

/// <summary><c>tokenizer train|encode|decode|convert|report</c>.</summary>
internal static class TokenizerCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create() =>
        new("tokenizer", "Train a tokenizer; turn text into token ids and back.")
        {
            CreateTrain(),
            CreateEncode(),
            CreateDecode(),
            CreateConvert(),
            TokenizerReportCommand.Create(),
        };

    private static Command CreateTrain()
    {
        Option<string> kind = new("--kind", "--type")
        {
            Description = "word (words and punctuation), char (characters), bpe (byte pairs, " +
                "GPT-2), wordpiece (BERT) or unigram (SentencePiece).",
            Required = true,
        };
        kind.AcceptOnlyFromAmong(TokenizerTraining.Kinds);
        Option<string[]> input = new("--input")
        {
            Description = "Text files to learn from, UTF-8.",
            HelpName = "FILE",
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        OptionalNumberOption<int> vocabulary = new("--vocabulary")
        {
            Description = "Most tokens, special ones included; by default every word, 10000 " +
                "byte pairs, 30000 word pieces or 8000 unigram pieces.",
            HelpName = "N",
        };
        Option<bool> lowercase = new("--lowercase")
        {
            Description = "Fold to lower case (word, unigram).",
        };
        Option<bool> cased = new("--cased")
        {
            Description = "Keep case and accents (wordpiece, which folds them by default).",
        };
        Option<bool> bytes = new("--byte-fallback")
        {
            Description = "Spell unknown characters in bytes (unigram).",
        };
        Option<string> target = Target();
        Option<string> format = Format();
        Command command = new("train", "Learn a vocabulary from text.")
        {
            kind, input, vocabulary, lowercase, cased, bytes, target, format,
        };
        command.SetAction((parsed, cancellation) => Task.Run(() =>
        {
            string name = parsed.GetRequiredValue(kind);
            TokenizerFiles.Require(parsed.GetRequiredValue(format), name);
            string[] lines = [.. parsed.GetRequiredValue(input).SelectMany(TextFiles.ReadLines)];
            TokenizerSettings settings = new(
                parsed.GetValue(vocabulary), parsed.GetValue(lowercase), parsed.GetValue(cased),
                parsed.GetValue(bytes));
            Tokenizer tokenizer = TokenizerTraining.Train(name, lines, settings, cancellation);
            string file = parsed.GetRequiredValue(target);
            TokenizerFiles.Write(tokenizer, parsed.GetRequiredValue(format), file);
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
        Option<bool> cased = Cased();
        Option<bool> pieces = new("--pieces")
        {
            Description = "Print the pieces as the tokenizer's file spells them, not their ids.",
        };
        Option<bool> offsets = new("--offsets")
        {
            Description = "Add each token's place in its line, from:to, in UTF-16 units.",
        };
        Option<bool> special = new("--special")
        {
            Description = "Read names of special tokens in the text as those tokens.",
        };
        OptionalNumberOption<double> sample = new("--sample")
        {
            Description = "Draw a way to cut the text, smoothed by ALPHA, 0 to 1 (unigram).",
            HelpName = "ALPHA",
        };
        NumberOption<ulong> seed = CommonOptions.Seed();
        Option<string?> json = CommonOptions.Json();
        Command command = new("encode", "Turn text into token ids, one line a line.")
        {
            tokenizer, cased, pieces, offsets, special, sample, seed, json,
        };
        TextInput text = new(command, "tokenizer encode", "Text");
        command.SetAction(parsed =>
        {
            Tokenizer loaded = TokenizerFiles.Read(
                parsed.GetRequiredValue(tokenizer), parsed.GetValue(cased));
            EncodingOptions options = new() { ParseSpecialTokens = parsed.GetValue(special) };
            Func<int, string> spell = parsed.GetValue(pieces)
                ? loaded.Token : id => id.ToString(CultureInfo.InvariantCulture);
            JsonOutput result = new(parsed.GetValue(json));
            bool placed = parsed.GetValue(offsets);
            Func<string, TokenizedText> cut = placed || result.Target is not null
                ? line => loaded.Tokenize(line, options)
                : line => new(loaded.Encode(line, options), []);
            if (parsed.GetValue(sample) is { } alpha)
            {
                if (placed)
                {
                    throw new ArgumentException("tokenizer encode: --offsets does not go with " +
                        "--sample. Leave one of them out.");
                }

                cut = Sampler(loaded, alpha, parsed.GetValue(seed));
            }

            Func<TokenizedText, string> show = placed
                ? tokens => WithOffsets(tokens, spell)
                : tokens => string.Join(' ', tokens.Ids.Select(spell));
            TextWriter output = parsed.InvocationConfiguration.Output;
            List<(string Line, TokenizedText Tokens)> all = [];
            foreach (string line in text.Batches(parsed).SelectMany(batch => batch))
            {
                TokenizedText tokens = cut(line);
                if (result.Target is not null) all.Add((line, tokens));
                if (!result.OwnsStandardOutput) output.WriteLine(show(tokens));
            }

            result.Write(output, writer => Write(writer, loaded, all));
            return Application.Done;
        });
        return command;
    }

    private static Func<string, TokenizedText> Sampler(
        Tokenizer tokenizer, double alpha, ulong seed)
    {
        if (tokenizer is not UnigramTokenizer unigram)
        {
            throw new ArgumentException(
                "tokenizer encode: --sample is for unigram tokenizers, which have several ways " +
                "to cut a text. Leave the option out.");
        }

        ulong line = 0;
        return text => new(unigram.EncodeSample(text, alpha, seed + line++), []);
    }

    /// <summary>Each line with its tokens; those that were drawn have no places.</summary>
    private static void Write(
        Utf8JsonWriter json, Tokenizer tokenizer, List<(string Line, TokenizedText Tokens)> lines)
    {
        json.WriteStartArray();
        foreach ((string line, TokenizedText tokens) in lines)
        {
            json.WriteStartObject();
            json.WriteString("text", line);
            json.WriteStartArray("tokens");
            foreach ((int i, int id) in tokens.Ids.Index())
            {
                json.WriteStartObject();
                json.WriteNumber("id", id);
                json.WriteString("piece", tokenizer.Token(id));
                if (tokens.Offsets.Count > 0)
                {
                    json.WriteNumber("start", tokens.Offsets[i].Start);
                    json.WriteNumber("end", tokens.Offsets[i].End);
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static string WithOffsets(TokenizedText tokens, Func<int, string> spell) =>
        string.Join(' ', tokens.Ids.Zip(tokens.Offsets, (id, place) => string.Create(
            CultureInfo.InvariantCulture, $"{spell(id)}@{place.Start}:{place.End}")));

    private static Command CreateDecode()
    {
        Option<string> tokenizer = TokenizerFile();
        Option<string?> json = CommonOptions.Json();
        Command command = new("decode", "Turn token ids into text, one line a line.")
        {
            tokenizer, json,
        };
        TextInput text = new(command, "tokenizer decode", "Line of ids");
        command.SetAction(parsed =>
        {
            Tokenizer loaded = Tokenizer.Load(parsed.GetRequiredValue(tokenizer));
            JsonOutput result = new(parsed.GetValue(json));
            TextWriter output = parsed.InvocationConfiguration.Output;
            List<(string Ids, string Text)> all = [];
            foreach (string line in text.Batches(parsed).SelectMany(batch => batch))
            {
                all.Add((line, loaded.Decode(Ids(line))));
                if (!result.OwnsStandardOutput) output.WriteLine(all[^1].Text);
            }

            result.WriteTexts(output, "ids", all.Select(row => (row.Text, row.Ids)));
            return Application.Done;
        });
        return command;
    }

    private static Command CreateConvert()
    {
        Option<string> tokenizer = TokenizerFile();
        Option<bool> cased = Cased();
        Option<string> target = Target();
        Option<string> format = Format();
        Command command = new("convert", "Write a tokenizer in another format.")
        {
            tokenizer, cased, target, format,
        };
        command.SetAction(parsed =>
        {
            Tokenizer loaded = TokenizerFiles.Read(
                parsed.GetRequiredValue(tokenizer), parsed.GetValue(cased));
            TokenizerFiles.Write(
                loaded, parsed.GetRequiredValue(format), parsed.GetRequiredValue(target));
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
        Description = "A tokenizer.json, BERT's vocab.txt, GPT-2's vocab.json with merges.txt " +
            "beside it, or a folder with one of these.",
        HelpName = "FILE",
        Required = true,
    };

    private static Option<bool> Cased() => new("--cased")
    {
        Description = "Of vocab.txt: keep case and accents; by default they are folded where no " +
            "token has a capital letter.",
    };

    private static Option<string> Target() => new("--out")
    {
        Description = "Receives the tokenizer: a file, or a folder for GPT-2's two files.",
        HelpName = "FILE",
        Required = true,
    };

    private static Option<string> Format()
    {
        Option<string> format = new("--format")
        {
            Description = "json (tokenizer.json), gpt2 (vocab.json and merges.txt) or bert " +
                "(vocab.txt).",
            DefaultValueFactory = _ => TokenizerFiles.Json,
        };
        format.AcceptOnlyFromAmong(TokenizerFiles.Formats);
        return format;
    }
}
