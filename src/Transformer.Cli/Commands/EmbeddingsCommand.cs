using System.CommandLine;
using System.Globalization;
using System.Numerics;
using System.Text.Json;
using Spectre.Console;
using Transformer.Cli.Output;
using Transformer.Models.Text;
using Transformer.Models.Word2Vec;

namespace Transformer.Cli.Commands;

/// <summary><c>embeddings train|nearest|analogy</c>: word vectors.</summary>
internal static class EmbeddingsCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create() =>
        new("embeddings", "Learn word vectors (Word2Vec); find the words nearest to others.")
        {
            CreateTrain(),
            CreateNearest(),
            CreateAnalogy(),
        };

    private static Command CreateTrain()
    {
        Word2VecOptions usual = new();
        Option<string[]> data = new("--data")
        {
            Description = "Text files to learn from, UTF-8; words of a line belong together.",
            HelpName = "FILE",
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        Option<string> target = new("--out")
        {
            Description = "File to write, in word2vec's form: binary if it ends in .bin, else " +
                "text.",
            HelpName = "FILE",
            Required = true,
        };
        Option<string> kind = new("--architecture")
        {
            Description = "skip-gram: a word predicts those around it; cbow: their mean predicts " +
                "the word.",
            HelpName = "skip-gram|cbow",
            DefaultValueFactory = _ => "skip-gram",
        };
        kind.AcceptOnlyFromAmong("skip-gram", "cbow");
        NumberOption<int> width = Number("--width", "Width of a vector.", usual.Width);
        NumberOption<int> window = Number(
            "--window", "Most words to each side that belong together.", usual.Window);
        NumberOption<int> negatives = Number(
            "--negatives", "Words drawn from the noise for each.", usual.Negatives);
        NumberOption<double> subsample = Number("--subsample",
            "Share of the text above which words are thinned out; 0: none.", usual.Subsample);
        NumberOption<int> minCount = Number(
            "--min-count", "Times a word must occur.", usual.MinCount);
        NumberOption<int> epochs = Number("--epochs", "Times through the text.", usual.Epochs);
        OptionalNumberOption<double> rate = new("--learning-rate")
        {
            Description = "First step; falls to nearly 0. Default: 0.025, or 0.05 for cbow.",
            HelpName = "X",
        };
        NumberOption<int> threads = Number(
            "--threads", "Threads; the result is repeatable with one alone.", usual.Threads);
        NumberOption<ulong> seed = Number("--seed", "Of all that is drawn.", usual.Seed);
        Option<string?> json = CommonOptions.Json();
        Command command = new("train", "Learn word vectors from text.")
        {
            data, target, kind, width, window, negatives, subsample, minCount, epochs, rate,
            threads, seed, json,
        };
        command.SetAction((parsed, cancellation) => Task.Run(() =>
        {
            JsonOutput result = new(parsed.GetValue(json));
            string file = parsed.GetRequiredValue(target);
            OutputFile.Require("--out", file);
            string[] lines = [.. parsed.GetRequiredValue(data).SelectMany(TextFiles.ReadLines)];
            Word2VecTrainer trainer = new(lines, new()
            {
                Architecture = parsed.GetValue(kind) == "cbow"
                    ? Word2VecArchitecture.Cbow : Word2VecArchitecture.SkipGram,
                Width = parsed.GetValue(width),
                Window = parsed.GetValue(window),
                Negatives = parsed.GetValue(negatives),
                Subsample = parsed.GetValue(subsample),
                MinCount = parsed.GetValue(minCount),
                Epochs = parsed.GetValue(epochs),
                LearningRate = parsed.GetValue(rate) ?? 0,
                Threads = parsed.GetValue(threads),
                Seed = parsed.GetValue(seed),
            });
            TextWriter output = parsed.InvocationConfiguration.Output;
            IAnsiConsole console = Terminal.For(result, output);
            console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{trainer.Words.Count} words, {trainer.TextLength} in the text"));
            Word2VecProgress last = default;
            WordVectors vectors = Watch(console, told => trainer.Run(progress =>
            {
                last = progress;
                told(progress.Done);
            }, cancellation));
            vectors.Save(file);
            console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"loss {last.Loss:F3}, {last.WordsPerSecond:F0} words/s; written to {file}"));
            result.Write(output, writer =>
            {
                writer.WriteStartObject();
                writer.WriteNumber("words", trainer.Words.Count);
                writer.WriteNumber("width", vectors.Width);
                writer.WriteNumber("textLength", trainer.TextLength);
                writer.WriteNumber("loss", last.Loss);
                writer.WriteNumber("wordsPerSecond", last.WordsPerSecond);
                writer.WriteString("file", file);
                writer.WriteEndObject();
            });
            return Application.Done;
        }, CancellationToken.None));
        return command;
    }

    private static Command CreateNearest() => Search(
        "nearest", "The words nearest to each of the words given.", "Words that have vectors.",
        (vectors, words, count) => [.. words.Select(word => (word, vectors.Nearest(word, count)))]);

    private static Command CreateAnalogy() => Search(
        "analogy", "What is to C as B is to A.", "A, B and C: three words that have vectors.",
        (vectors, words, count) => words.Length == 3
            ? [($"{words[0]} : {words[1]} = {words[2]} : ?",
                vectors.Analogy(words[0], words[1], words[2], count))]
            : throw new ArgumentException($"embeddings analogy: {words.Length} words were given; " +
                "expected three, such as man woman king."));

    private static Command Search(
        string name, string does, string wants,
        Func<WordVectors, string[], int, (string Asked, IReadOnlyList<NearWord> Near)[]> find)
    {
        Argument<string[]> words = new("WORD")
        {
            Description = wants,
            Arity = ArgumentArity.OneOrMore,
        };
        Option<string> file = new("--vectors")
        {
            Description = "Word vectors in word2vec's form; binary if the name ends in .bin.",
            HelpName = "FILE",
            Required = true,
        };
        NumberOption<int> count = Number("--count", "Words to show.", 10);
        Option<string?> json = CommonOptions.Json();
        Command command = new(name, does) { words, file, count, json };
        command.SetAction((parsed, _) => Task.Run(() =>
        {
            JsonOutput result = new(parsed.GetValue(json));
            WordVectors vectors = WordVectors.Load(parsed.GetRequiredValue(file));
            (string Asked, IReadOnlyList<NearWord> Near)[] found = find(
                vectors, parsed.GetRequiredValue(words), parsed.GetValue(count));
            TextWriter output = parsed.InvocationConfiguration.Output;
            IAnsiConsole console = Terminal.For(result, output);
            foreach ((string asked, IReadOnlyList<NearWord> near) in found)
            {
                Table table = Terminal.Table([asked, "cosine"], words: 1);
                foreach (NearWord word in near)
                {
                    table.AddRow(Markup.Escape(word.Word),
                        word.Similarity.ToString("F3", CultureInfo.InvariantCulture));
                }

                console.Write(table);
            }

            result.Write(output, writer => Write(writer, found));
            return Application.Done;
        }));
        return command;
    }

    private static void Write(
        Utf8JsonWriter writer, (string Asked, IReadOnlyList<NearWord> Near)[] found)
    {
        writer.WriteStartArray();
        foreach ((string asked, IReadOnlyList<NearWord> near) in found)
        {
            writer.WriteStartObject();
            writer.WriteString("asked", asked);
            writer.WriteStartArray("nearest");
            foreach (NearWord word in near)
            {
                writer.WriteStartObject();
                writer.WriteString("word", word.Word);
                writer.WriteNumber("similarity", word.Similarity);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    /// <summary>Runs work that tells how much of it is done; a bar shows it to people.</summary>
    private static T Watch<T>(IAnsiConsole console, Func<Action<double>, T> work) =>
        !console.Profile.Capabilities.Interactive ? work(_ => { })
            : console.Progress().Columns(
                new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(),
                new RemainingTimeColumn()).Start(context =>
            {
                ProgressTask task = context.AddTask("learning", maxValue: 1);
                return work(done => task.Value = done);
            });

    private static NumberOption<T> Number<T>(string name, string description, T usual)
        where T : struct, INumber<T>, IMinMaxValue<T> => new(name)
        {
            Description = description,
            HelpName = typeof(T) == typeof(double) ? "X" : "N",
            DefaultValueFactory = _ => usual,
        };
}
