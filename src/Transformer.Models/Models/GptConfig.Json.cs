using System.Text;
using System.Text.Json;
using Transformer.Models.Interchange;
using Transformer.Models.Layers;
using Transformer.Models.Text;

namespace Transformer.Models;

public sealed partial record GptConfig
{
    internal const string ModelType = "gpt2";

    private const string Owner = nameof(GptConfig), Activation = "gelu_new";

    /// <summary>Reads config.json.</summary>
    /// <param name="path">File as <see cref="Save"/> or Hugging Face's library writes it for
    /// GPT-2; fields that do not change the model are passed over.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is no JSON object, is of another kind of
    /// model, or a field is missing, of the wrong type or out of range; the message names file and
    /// field.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static GptConfig Load(string path)
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
    public static GptConfig FromJson(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        return FromJson(Encoding.UTF8.GetBytes(json));
    }

    /// <summary>Writes config.json: beside it first, flushed, then renamed.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path) =>
        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(ToJson())));

    /// <summary>The configuration as a JSON object.</summary>
    public string ToJson()
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("model_type", ModelType);
            json.WriteStartArray("architectures");
            json.WriteStringValue("GPT2LMHeadModel");
            json.WriteEndArray();
            json.WriteNumber("vocab_size", Vocabulary);
            json.WriteNumber("n_positions", Positions);
            if (PositionKind != PositionKind.Learned)
                json.WriteString(PositionKinds.Field, PositionKinds.Name(PositionKind));
            json.WriteNumber("n_embd", Width);
            json.WriteNumber("n_layer", Layers);
            json.WriteNumber("n_head", Heads);
            json.WriteString("activation_function", Activation);
            json.WriteNumber("embd_pdrop", Dropout);
            json.WriteNumber("resid_pdrop", Dropout);
            json.WriteNumber("attn_pdrop", 0);
            json.WriteNumber("layer_norm_epsilon", Epsilon);
            json.WriteBoolean("tie_word_embeddings", true);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }

    private static GptConfig FromJson(byte[] json)
    {
        using JsonDocument document = ConfigFields.Parse(Owner, json);
        ConfigFields fields = new(Owner, document.RootElement);
        string type = fields.Text("model_type", "");
        if (type != ModelType)
        {
            throw new InvalidDataException($"{Owner}: 'model_type' is \"{type}\"; expected " +
                $"\"{ModelType}\". Choose the folder of a decoder-only model, as 'train gpt' " +
                "writes it.");
        }

        fields.Require(PositionKinds.Field, [.. PositionKinds.Names]);
        fields.Require("activation_function", Activation, "gelu_pytorch_tanh");
        fields.Require("tie_word_embeddings", only: true);
        fields.Require("scale_attn_weights", only: true);
        fields.Require("scale_attn_by_inverse_layer_idx", only: false);
        fields.Require("add_cross_attention", only: false);
        GptConfig config = new()
        {
            Vocabulary = fields.Integer("vocab_size", null),
            Positions = fields.Integer("n_positions", fields.Optional("n_ctx")),
            PositionKind = PositionKinds.Read(fields),
            Width = fields.Integer("n_embd", null),
            Layers = fields.Integer("n_layer", null),
            Heads = fields.Integer("n_head", null),
            Dropout = fields.Number("resid_pdrop", 0),
            Epsilon = fields.Number("layer_norm_epsilon", 1e-5),
        };
        config.Validate();
        if (fields.Optional("n_inner") is { } inner && inner != 4 * config.Width)
        {
            throw new InvalidDataException($"{Owner}: 'n_inner' is {inner}; only four times the " +
                $"width, {4 * config.Width}, is supported. Choose another model.");
        }

        return config;
    }
}
