using System.Globalization;
using Spectre.Console;
using Transformer.Models;
using Transformer.Models.Text;
using Transformer.Models.Training;

namespace Transformer.Cli.Commands.Train;

/// <summary>One run of <c>train classifier</c>.</summary>
internal sealed class ClassifierTraining(ClassifierTrainOptions options, TrainingPlace place)
    : TrainingRun(place)
{
    private const int ValidationStep = 10;

    /// <inheritdoc/>
    protected override string Accuracy => "accuracy";

    /// <inheritdoc/>
    public override int Run(bool resume, CancellationToken cancellation)
    {
        LabelledText[] examples = ReadExamples(options.Data!);
        string[] classes = ClassificationDataset.Classes(examples);
        BertClassifier model = BertClassifier.FromPretrained(
            options.Base!, classes, Place.Backend, options.Training.Seed);
        using TextClassifier classifier = WithTokenizer(model);
        (LabelledText[] learned, LabelledText[] heldOut) = Divide(examples);
        ClassificationDataset training = Encode(learned);
        ClassificationDataset? validation = heldOut.Length == 0 ? null : Encode(heldOut);
        using ClassifierTrainer trainer = new(
            model, training, validation, options.Training, Place.Folder.Checkpoints);
        if (!resume) Place.Folder.WriteSettings(Place.Settings);
        string shortened = training.Shortened == 0 ? "" : string.Create(
            CultureInfo.InvariantCulture, $", {training.Shortened} of them shortened");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{training.Count} texts to learn{shortened}, {heldOut.Length} to validate; classes " +
            $"{string.Join(", ", classes)}; {model.Parameters.Count:N0} parameters; on " +
            $"{Place.Backend.Name}"));
        return Train(trainer, () => classifier.Save(Place.Folder.Path), resume, cancellation)
            ? Application.Done : Application.Interrupted;

        ClassificationDataset Encode(LabelledText[] texts) => ClassificationDataset.Encode(
            texts, classes, classifier.Tokenizer, model.Positions);
    }

    /// <summary>Reads class, text and perhaps second text, parted by tabs, of each line.</summary>
    /// <exception cref="InvalidDataException">A line has no tab, or an empty part.</exception>
    public static LabelledText[] ReadExamples(string path)
    {
        string[] lines = TextFiles.ReadLines(path);
        LabelledText[] examples = new LabelledText[lines.Length];
        for (int i = 0; i < lines.Length; i++)
        {
            string[] parts = lines[i].Split('\t');
            if (parts.Length is < 2 or > 3 || parts.Any(string.IsNullOrWhiteSpace))
            {
                throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture,
                    $"Examples '{path}', line {i + 1}: {parts.Length} parts; expected class, " +
                    $"tab, text, and perhaps tab and a second text, none empty."));
            }

            examples[i] = new(parts[0], parts[1], parts.Length == 3 ? parts[2] : null);
        }

        return examples;
    }

    /// <summary>Holds out every tenth example of each class.</summary>
    internal static (LabelledText[] Learned, LabelledText[] HeldOut) Divide(
        LabelledText[] examples)
    {
        Dictionary<string, int> seen = new(StringComparer.Ordinal);
        ILookup<bool, LabelledText> parts = examples.ToLookup(example =>
            (seen[example.Label] = seen.GetValueOrDefault(example.Label) + 1) % ValidationStep
                == 0);
        return ([.. parts[false]], [.. parts[true]]);
    }

    private TextClassifier WithTokenizer(BertClassifier model)
    {
        try
        {
            return new(model, Tokenizer.Load(options.Base!));
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }
}
