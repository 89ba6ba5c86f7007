using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Transformer.Models.Training;

public sealed partial record TrainingOptions
{
    private static readonly OptionField[] Fields =
    [
        OptionField.Number("epochs", o => o.Epochs, (o, v) => o with { Epochs = v }),
        OptionField.Number("maxSteps", o => o.MaxSteps, (o, v) => o with { MaxSteps = v }),
        OptionField.Number("maxMinutes", o => o.MaxMinutes, (o, v) => o with { MaxMinutes = v }),
        OptionField.Number("tokensPerBatch",
            o => o.TokensPerBatch, (o, v) => o with { TokensPerBatch = v }).Fixed(),
        OptionField.Number("accumulationSteps",
            o => o.AccumulationSteps, (o, v) => o with { AccumulationSteps = v }).Fixed(),
        OptionField.Number("learningRate",
            o => o.LearningRate, (o, v) => o with { LearningRate = v }).Fixed(),
        OptionField.Choice("schedule",
            o => o.Schedule, (o, v) => o with { Schedule = v }).Fixed(),
        OptionField.Number("warmupSteps",
            o => o.WarmupSteps, (o, v) => o with { WarmupSteps = v }).Fixed(),
        OptionField.Number("minLearningRate",
            o => o.MinLearningRate, (o, v) => o with { MinLearningRate = v }).Fixed(),
        OptionField.Number("scheduleSteps",
            o => o.ScheduleSteps, (o, v) => o with { ScheduleSteps = v }).Fixed(),
        OptionField.Number("labelSmoothing",
            o => o.LabelSmoothing, (o, v) => o with { LabelSmoothing = v }).Fixed(),
        OptionField.Number("clipNorm", o => o.ClipNorm, (o, v) => o with { ClipNorm = v }).Fixed(),
        OptionField.Number("weightDecay",
            o => o.WeightDecay, (o, v) => o with { WeightDecay = v }).Fixed(),
        OptionField.Number("beta1", o => o.Beta1, (o, v) => o with { Beta1 = v }).Fixed(),
        OptionField.Number("beta2", o => o.Beta2, (o, v) => o with { Beta2 = v }).Fixed(),
        OptionField.Number("epsilon", o => o.Epsilon, (o, v) => o with { Epsilon = v }).Fixed(),
        OptionField.Number("validateEvery",
            o => o.ValidateEvery, (o, v) => o with { ValidateEvery = v }),
        OptionField.Text("bestBy", o => o.BestBy, (o, v) => o with { BestBy = v }).Fixed(),
        OptionField.Number("patience", o => o.Patience, (o, v) => o with { Patience = v }),
        OptionField.Number("checkpointEvery",
            o => o.CheckpointEvery, (o, v) => o with { CheckpointEvery = v }),
        OptionField.Number("keepCheckpoints",
            o => o.KeepCheckpoints, (o, v) => o with { KeepCheckpoints = v }),
        OptionField.Number("seed", o => o.Seed, (o, v) => o with { Seed = v }).Fixed(),
    ];

    /// <summary>Names of the fields, as the JSON file spells them.</summary>
    public static IReadOnlyList<string> FieldNames { get; } = [.. Fields.Select(f => f.Name)];

    /// <summary>Reads options from a JSON file; fields that it lacks keep their defaults.</summary>
    /// <param name="path">A JSON object; comments and trailing commas are let through.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is no JSON object, has a field that is
    /// unknown, twice there or of the wrong type, or a value is out of range.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static TrainingOptions Load(string path)
    {
        string json = string.Join('\n', Text.TextFiles.ReadLines(path));
        try
        {
            return FromJson(json);
        }
        catch (Exception e) when (e is ArgumentException or InvalidDataException)
        {
            throw new InvalidDataException($"'{path}': {e.Message}", e);
        }
    }

    /// <summary>Reads options from JSON, as <see cref="Load"/> does from a file.</summary>
    /// <exception cref="InvalidDataException">As for <see cref="Load"/>.</exception>
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    public static TrainingOptions FromJson(string json)
    {
        using JsonDocument document = Parse(json);
        if (document.RootElement.ValueKind != JsonValueKind.Object)
        {
            throw new InvalidDataException("TrainingOptions: the JSON is a " +
                $"{document.RootElement.ValueKind}; expected an object, {{ … }}.");
        }

        TrainingOptions options = new();
        foreach (JsonProperty property in document.RootElement.EnumerateObject())
            options = Find(property.Name).Read(options, property.Value);
        options.Validate();
        return options;
    }

    /// <summary>All fields as a JSON object.</summary>
    public string ToJson()
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            foreach (OptionField field in Fields) field.Write(json, this);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }

    /// <summary>These options with one field set from text, as a command line gives it.</summary>
    /// <param name="name">One of <see cref="FieldNames"/>.</param>
    /// <param name="value">A number, or a text without quotation marks.</param>
    /// <exception cref="InvalidDataException">Unknown field or a value of the wrong type; ranges
    /// are left to <see cref="Validate"/>.</exception>
    public TrainingOptions With(string name, string value)
    {
        OptionField field = Find(name);
        bool number = !field.IsText && double.TryParse(
            value, NumberStyles.Float, CultureInfo.InvariantCulture, out double parsed)
            && double.IsFinite(parsed);
        using JsonDocument document =
            Parse(number ? value.Trim().TrimStart('+') : $"\"{JsonEncodedText.Encode(value)}\"");
        return field.Read(this, document.RootElement);
    }

    /// <summary>
    /// The first field that a resumed training may not change and that differs; null: none does.
    /// </summary>
    /// <remarks>Limits, and when to validate and save, may change.</remarks>
    internal (string Name, string This, string Other)? FirstFixedDifference(TrainingOptions other)
    {
        foreach (OptionField field in Fields)
        {
            if (field.MayChange) continue;
            string mine = field.Show(this), theirs = field.Show(other);
            if (mine != theirs) return (field.Name, mine, theirs);
        }

        return null;
    }

    private static OptionField Find(string name) =>
        Array.Find(Fields, f => f.Name == name) ?? throw new InvalidDataException(
            $"TrainingOptions: there is no field '{name}'. Use one of: " +
            $"{string.Join(", ", FieldNames)}.");

    private static JsonDocument Parse(string json)
    {
        try
        {
            return JsonDocument.Parse(json, new JsonDocumentOptions
            {
                AllowTrailingCommas = true,
                AllowDuplicateProperties = false,
                CommentHandling = JsonCommentHandling.Skip,
            });
        }
        catch (JsonException e)
        {
            throw new InvalidDataException(
                $"TrainingOptions: no valid JSON: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }
}
