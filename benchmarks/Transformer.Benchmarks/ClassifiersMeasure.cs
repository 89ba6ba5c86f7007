using System.Globalization;
using System.Text.Json;
using Transformer.Backends;
using Transformer.Models;
using Transformer.Models.Text;
using Transformer.Models.Training;
using Transformer.Models.Word2Vec;
using Transformer.Verification;

namespace Transformer.Benchmarks;

/// <summary>
/// What the order of words is worth: a classifier by means of word vectors against a small
/// Transformer, both learned on the same made-up sentences, on two tasks. `topic` asks what a
/// sentence is about; its words tell. `who` asks, besides, which of two does it to the other; only
/// their order tells. No two of the sentences are the same: those held back were never learned.
/// </summary>
internal static class ClassifiersMeasure
{
    private const int Learned = 1200, Held = 400, Steps = 400;

    private static readonly (string Topic, string[] Actors, string[] Acts, string[] Places)[]
        Topics =
    [
        ("farm", ["dog", "goat", "hen", "horse"], ["chases", "feeds", "follows"],
            ["in the barn", "on the field", "by the fence"]),
        ("school", ["teacher", "student", "pupil", "director"], ["teaches", "asks", "praises"],
            ["in the classroom", "at the board", "before the exam"]),
        ("court", ["judge", "lawyer", "witness", "clerk"], ["questions", "warns", "answers"],
            ["in the hall", "at the hearing", "before the jury"]),
    ];

    private static readonly string[] Times =
        ["today", "again", "every morning", "at noon", "before the rain"];

    /// <summary>Learns, measures, prints and writes.</summary>
    /// <param name="file">Receives JSON.</param>
    public static int Run(string file)
    {
        List<(string Task, string Model, double Accuracy, double Seconds)> rows = [];
        foreach (string task in (string[])["topic", "who"])
        {
            LabelledText[] texts = Texts(task);
            LabelledText[] training = texts[..Learned], held = texts[Learned..];
            TimeProvider clock = TimeProvider.System;
            foreach (Word2VecArchitecture architecture in
                Enum.GetValues<Word2VecArchitecture>())
            {
                long start = clock.GetTimestamp();
                WordVectors vectors = new Word2VecTrainer(
                    [.. training.Select(t => t.Text)],
                    new() { Architecture = architecture, Width = 64, MinCount = 1, Seed = 1 })
                    .Run();
                double accuracy =
                    EmbeddingClassifier.Train(vectors, training).Accuracy(held);
                rows.Add((task, $"mean of vectors, {architecture}", accuracy,
                    clock.GetElapsedTime(start).TotalSeconds));
            }

            long begin = clock.GetTimestamp();
            rows.Add((task, "Transformer, 2 layers of width 64", Transformer(training, held),
                clock.GetElapsedTime(begin).TotalSeconds));
        }

        foreach ((string task, string model, double accuracy, double seconds) in rows)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{task}: {model}: {accuracy:P1} of {Held} right, {seconds:F1} s"));
        }

        Write(file, rows);
        return 0;
    }

    private static LabelledText[] Texts(string task)
    {
        LabelledText[] all = [.. Topics.SelectMany(t =>
            from one in t.Actors
            from other in t.Actors
            where one != other
            from act in t.Acts
            from place in t.Places
            from time in Times
            // Of two names the first by the alphabet does it, or has it done to.
            let who = string.CompareOrdinal(one, other) < 0 ? "does" : "suffers"
            select new LabelledText(
                task == "topic" ? t.Topic : $"{t.Topic}, the first {who}",
                $"the {one} {act} the {other} {place} {time}"))];
        new Random(17).Shuffle(all);
        return all[..(Learned + Held)];
    }

    private static double Transformer(LabelledText[] training, LabelledText[] held)
    {
        string[] classes = ClassificationDataset.Classes(training);
        WordTokenizer tokenizer = WordTokenizer.Train(training.Select(t => t.Text),
            new() { MoreSpecialTokens = BertTokens.Names });
        BertConfig config = BertConfig.Preset("bert-tiny") with
        {
            Vocabulary = tokenizer.VocabularySize, Width = 64, Positions = 16, Dropout = 0,
            PadId = tokenizer.Special.Pad,
        };
        using BertClassifier model = new(config, classes, BackendRegistry.Cpu, seed: 1);
        ClassificationDataset data = ClassificationDataset.Encode(
            training, classes, tokenizer, config.Positions);
        using (ClassifierTrainer trainer = new(model, data, null, new()
        {
            MaxSteps = Steps, Epochs = int.MaxValue, TokensPerBatch = 512, LearningRate = 1e-3,
            WarmupSteps = 40, LabelSmoothing = 0, Schedule = LearningRateSchedule.Cosine,
            ScheduleSteps = Steps,
        }))
        {
            trainer.Run();
        }

        return ClassifierTrainer.Evaluate(model, ClassificationDataset.Encode(
            held, classes, tokenizer, config.Positions)).Accuracy;
    }

    private static void Write(
        string file, List<(string Task, string Model, double Accuracy, double Seconds)> rows)
    {
        using FileStream stream = File.Create(file);
        using Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteString("command", "dotnet run -c Release --project " +
            "benchmarks/Transformer.Benchmarks -- --classifiers FILE");
        json.WriteString(
            "date", DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));
        BenchReport.WriteMachine(json, MachineLimits.Measure(TimeSpan.FromSeconds(1)));
        json.WriteNumber("learned", Learned);
        json.WriteNumber("held", Held);
        json.WriteStartArray("rows");
        foreach ((string task, string model, double accuracy, double seconds) in rows)
        {
            json.WriteStartObject();
            json.WriteString("task", task);
            json.WriteString("model", model);
            json.WriteNumber("accuracy", accuracy);
            json.WriteNumber("seconds", seconds);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
