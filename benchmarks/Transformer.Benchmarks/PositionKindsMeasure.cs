using System.Globalization;
using System.Text.Json;
using Transformer.Backends;
using Transformer.Models;
using Transformer.Models.Layers;
using Transformer.Models.Text;
using Transformer.Models.Training;
using Transformer.Verification;

namespace Transformer.Benchmarks;

/// <summary>
/// What happens past the length that a model was trained on, with each kind of positions: models
/// of nanoGPT's small shape learn windows of 64 letters and are measured on longer ones.
/// </summary>
internal static class PositionKindsMeasure
{
    private const int TrainedLength = 64, Steps = 600;

    private static readonly int[] Lengths = [32, 64, 128, 256, 512];

    private static readonly TrainingOptions Training = new()
    {
        MaxSteps = Steps,
        Epochs = int.MaxValue,
        TokensPerBatch = 12 * TrainedLength,
        LearningRate = 1e-3,
        MinLearningRate = 1e-4,
        Schedule = LearningRateSchedule.Cosine,
        ScheduleSteps = Steps,
        WarmupSteps = 50,
        LabelSmoothing = 0,
        WeightDecay = 0.1,
        Beta2 = 0.99,
        Epsilon = 1e-8,
    };

    /// <summary>Trains, measures, prints and writes.</summary>
    /// <param name="file">Receives JSON.</param>
    /// <param name="data">UTF-8 text; its last tenth validates.</param>
    public static int Run(string file, string data)
    {
        string text = TextFiles.ReadText(data);
        CharacterTokenizer tokenizer = CharacterTokenizer.Train([text]);
        (TokenDataset training, TokenDataset validation) =
            TokenDataset.Split(tokenizer.Encode(text));
        List<(PositionKind Kind, double[] Losses)> rows = [];
        foreach (PositionKind kind in Enum.GetValues<PositionKind>())
        {
            rows.Add((kind, Measure(kind, tokenizer.VocabularySize, training, validation)));
            Console.WriteLine($"{kind}: " + string.Join(", ", rows[^1].Losses.Zip(Lengths, (l, n) =>
                string.Create(CultureInfo.InvariantCulture, $"{n} letters {l:F3}"))));
        }

        Write(file, rows);
        return 0;
    }

    private static double[] Measure(
        PositionKind kind, int vocabulary, TokenDataset training, TokenDataset validation)
    {
        GptConfig config = GptConfig.Preset("nanogpt-cpu") with
        {
            Vocabulary = vocabulary, Positions = Lengths[^1], PositionKind = kind,
        };
        using Gpt model = new(config, BackendRegistry.Cpu, seed: 1);
        using (GptTrainer trainer = new(model, training, null, Training, length: TrainedLength))
            trainer.Run();
        return Array.ConvertAll(Lengths, length =>
            new GptEvaluator(model, validation, Math.Max(1, 1024 / length), length).Run().Loss);
    }

    private static void Write(string file, List<(PositionKind Kind, double[] Losses)> rows)
    {
        using FileStream stream = File.Create(file);
        using Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteString("command", "dotnet run -c Release --project " +
            "benchmarks/Transformer.Benchmarks -- --position-kinds FILE TEXT");
        json.WriteString(
            "date", DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));
        BenchReport.WriteMachine(json, MachineLimits.Measure(TimeSpan.FromSeconds(1)));
        json.WriteNumber("trainedLength", TrainedLength);
        json.WriteNumber("steps", Steps);
        json.WriteStartArray("rows");
        foreach ((PositionKind kind, double[] losses) in rows)
        {
            json.WriteStartObject();
            json.WriteString("kind", kind.ToString());
            json.WriteStartArray("losses");
            for (int i = 0; i < Lengths.Length; i++)
            {
                json.WriteStartObject();
                json.WriteNumber("length", Lengths[i]);
                json.WriteNumber("loss", losses[i]);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
