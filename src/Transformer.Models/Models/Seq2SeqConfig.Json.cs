using System.Text;
using System.Text.Json;
using Transformer.Models.Interchange;
using Transformer.Models.Text;

namespace Transformer.Models;

public sealed partial record Seq2SeqConfig
{
    internal const string ModelType = "seq2seq";

    private const string Owner = nameof(Seq2SeqConfig);

    /// <summary>Reads config.json.</summary>
    /// <param name="path">File as <see cref="Save"/> writes it.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is no JSON object, a field is unknown,
    /// missing, of the wrong type or out of range; the message names file and field.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static Seq2SeqConfig Load(string path)
    {
        byte[] bytes = TextFiles.ReadBytes(path, "model configuration");
        try
        {
            return FromJson(bytes);
        }
        catch (Exception e) when (e is ArgumentException or InvalidDataException)
        {
            throw new InvalidDataException($"'{path}': {e.Message}", e);
        }
    }

    /// <summary>Reads a configuration from JSON text.</summary>
    /// <exception cref="InvalidDataException">As for <see cref="Load"/>.</exception>
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    public static Seq2SeqConfig FromJson(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        return FromJson(Encoding.UTF8.GetBytes(json));
    }

    /// <summary>Writes config.json: beside it first, flushed, then renamed.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path) =>
        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(ToJson())));

    /// <summary>All fields as a JSON object.</summary>
    public string ToJson()
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("modelType", ModelType);
            foreach ((string name, int value) in Integers()) json.WriteNumber(name, value);
            json.WriteNumber("dropout", Dropout);
            json.WriteString("norm", Norm.ToString());
            json.WriteString("positions", Positions.ToString());
            json.WriteString("activation", Activation.ToString());
            json.WriteBoolean("tieEmbeddings", TieEmbeddings);
            json.WriteBoolean("tieOutput", TieOutput);
            json.WriteBoolean("halvedSinusoids", HalvedSinusoids);
            json.WriteBoolean("outputBias", OutputBias);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }

    private (string Name, int Value)[] Integers() =>
    [
        ("sourceVocabulary", SourceVocabulary), ("targetVocabulary", TargetVocabulary),
        ("encoderLayers", EncoderLayers), ("decoderLayers", DecoderLayers), ("width", Width),
        ("heads", Heads), ("feedForwardWidth", FeedForwardWidth), ("maxPositions", MaxPositions),
        ("padId", PadId), ("unknownId", UnknownId), ("bosId", BosId), ("eosId", EosId),
    ];

    private static Seq2SeqConfig FromJson(byte[] json)
    {
        using JsonDocument document = ConfigFields.Parse(Owner, json);
        ConfigFields fields = new(Owner, document.RootElement);
        if (fields.Text("modelType", null) is var type && type != ModelType)
        {
            throw new InvalidDataException($"Seq2SeqConfig: 'modelType' is \"{type}\"; expected " +
                $"\"{ModelType}\". Choose the folder of a translation model.");
        }

        Seq2SeqConfig defaults = new() { SourceVocabulary = 0, TargetVocabulary = 0 };
        Seq2SeqConfig config = new()
        {
            SourceVocabulary = fields.Integer("sourceVocabulary", null),
            TargetVocabulary = fields.Integer("targetVocabulary", null),
            EncoderLayers = fields.Integer("encoderLayers", null),
            DecoderLayers = fields.Integer("decoderLayers", null),
            Width = fields.Integer("width", null),
            Heads = fields.Integer("heads", null),
            FeedForwardWidth = fields.Integer("feedForwardWidth", null),
            MaxPositions = fields.Integer("maxPositions", null),
            PadId = fields.Integer("padId", defaults.PadId),
            UnknownId = fields.Integer("unknownId", defaults.UnknownId),
            BosId = fields.Integer("bosId", defaults.BosId),
            EosId = fields.Integer("eosId", defaults.EosId),
            Dropout = fields.Number("dropout", defaults.Dropout),
            Norm = fields.Choice("norm", defaults.Norm),
            Positions = fields.Choice("positions", defaults.Positions),
            Activation = fields.Choice("activation", defaults.Activation),
            TieEmbeddings = fields.Boolean("tieEmbeddings", defaults.TieEmbeddings),
            TieOutput = fields.Boolean("tieOutput", defaults.TieOutput),
            HalvedSinusoids = fields.Boolean("halvedSinusoids", defaults.HalvedSinusoids),
            OutputBias = fields.Boolean("outputBias", defaults.OutputBias),
        };
        fields.RequireAllRead();
        config.Validate();
        return config;
    }
}
