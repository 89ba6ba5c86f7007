using System.Text;
using System.Text.Json;
using Transformer.Models.Interchange;
using Transformer.Models.Text;
using Transformer.Ops;

namespace Transformer.Models;

public sealed partial record BertConfig
{
    internal const string ModelType = "bert";

    private const string Owner = nameof(BertConfig);

    private static readonly (string Name, Activation Value)[] Activations =
    [
        ("gelu", Activation.Gelu), ("gelu_new", Activation.GeluTanh), ("relu", Activation.Relu),
        ("gelu_pytorch_tanh", Activation.GeluTanh), ("silu", Activation.Silu),
        ("swish", Activation.Silu),
    ];

    /// <summary>Reads config.json.</summary>
    /// <param name="path">File as <see cref="Save"/> or Hugging Face's library writes it for
    /// BERT; fields that do not change the model are passed over.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is no JSON object, is of another kind of
    /// model, or a field is missing, of the wrong type or out of range; the message names file and
    /// field.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static BertConfig Load(string path) => Read(path, FromJson);

    /// <summary>Reads a configuration from JSON text.</summary>
    /// <exception cref="InvalidDataException">As for <see cref="Load"/>.</exception>
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    public static BertConfig FromJson(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        using JsonDocument document = ConfigFields.Parse(Owner, Encoding.UTF8.GetBytes(json));
        return FromJson(document.RootElement);
    }

    /// <summary>Writes config.json: beside it first, flushed, then renamed.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path) => Write(path, ToJson());

    /// <summary>The configuration as a JSON object, of BertForPreTraining.</summary>
    public string ToJson() => ToJson("BertForPreTraining");

    /// <summary>Reads a file with a reader whose faults get the file's name.</summary>
    internal static T Read<T>(string path, Func<JsonElement, T> read)
    {
        byte[] bytes = TextFiles.ReadBytes(path, "model configuration");
        try
        {
            using JsonDocument document = ConfigFields.Parse(Owner, bytes);
            return read(document.RootElement);
        }
        catch (Exception e) when (e is ArgumentException or InvalidDataException)
        {
            throw new InvalidDataException($"'{path}': {e.Message}", e);
        }
    }

    internal static void Write(string path, string json) =>
        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(json)));

    internal static BertConfig FromJson(JsonElement root)
    {
        ConfigFields fields = new(Owner, root);
        string type = fields.Text("model_type", "");
        if (type != ModelType)
        {
            throw new InvalidDataException($"{Owner}: 'model_type' is \"{type}\"; expected " +
                $"\"{ModelType}\". Choose the folder of an encoder-only model, as 'train bert' " +
                "writes it.");
        }

        fields.Require("hidden_act", [.. Activations.Select(a => a.Name)]);
        fields.Require(PositionKinds.Field, [.. PositionKinds.Names]);
        fields.Require("tie_word_embeddings", only: true);
        fields.Require("is_decoder", only: false);
        fields.Require("add_cross_attention", only: false);
        string activation = fields.Text("hidden_act", Activations[0].Name);
        int width = fields.Integer("hidden_size", null);
        int hidden = fields.Integer("intermediate_size", null);
        BertConfig config = new()
        {
            Vocabulary = fields.Integer("vocab_size", null),
            Positions = fields.Integer("max_position_embeddings", null),
            PositionKind = PositionKinds.Read(fields),
            Segments = fields.Integer("type_vocab_size", 2),
            Layers = fields.Integer("num_hidden_layers", null),
            Heads = fields.Integer("num_attention_heads", null),
            Width = width,
            FeedForwardWidth = hidden == 4 * width ? 0 : hidden,
            Activation = Array.Find(Activations, a => a.Name == activation).Value,
            Dropout = fields.Number("hidden_dropout_prob", 0),
            Epsilon = fields.Number("layer_norm_eps", 1e-12),
            PadId = fields.Integer("pad_token_id", 0),
        };
        config.Validate();
        return config;
    }

    internal string ToJson(string architecture, Action<Utf8JsonWriter>? more = null)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("model_type", ModelType);
            json.WriteStartArray("architectures");
            json.WriteStringValue(architecture);
            json.WriteEndArray();
            json.WriteNumber("vocab_size", Vocabulary);
            json.WriteNumber("max_position_embeddings", Positions);
            json.WriteNumber("type_vocab_size", Segments);
            json.WriteNumber("num_hidden_layers", Layers);
            json.WriteNumber("num_attention_heads", Heads);
            json.WriteNumber("hidden_size", Width);
            json.WriteNumber("intermediate_size", Hidden);
            json.WriteString("hidden_act", Array.Find(
                Activations, a => a.Value == Activation).Name);
            json.WriteNumber("hidden_dropout_prob", Dropout);
            json.WriteNumber("attention_probs_dropout_prob", 0);
            json.WriteNumber("layer_norm_eps", Epsilon);
            json.WriteNumber("pad_token_id", PadId);
            json.WriteString(PositionKinds.Field, PositionKinds.Name(PositionKind));
            json.WriteBoolean("tie_word_embeddings", true);
            more?.Invoke(json);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }
}
