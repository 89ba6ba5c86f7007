using System.Text;
using System.Text.Json;
using Transformer.Models.Interchange;
using Transformer.Models.Text;

namespace Transformer.Models;

public sealed partial record GptConfig
{
    private const string Owner = nameof(GptConfig), ModelType = "gpt2", Activation = "gelu_new";

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

        string activation = fields.Text("activation_function", Activation);
        if (activation != Activation)
        {
            throw new InvalidDataException($"{Owner}: 'activation_function' is " +
                $"\"{activation}\"; expected \"{Activation}\". Choose a model with GPT-2's own.");
        }

        GptConfig config = new()
        {
            Vocabulary = fields.Integer("vocab_size", null),
            Positions = fields.Integer("n_positions", null),
            Width = fields.Integer("n_embd", null),
            Layers = fields.Integer("n_layer", null),
            Heads = fields.Integer("n_head", null),
            Dropout = fields.Number("resid_pdrop", 0),
            Epsilon = fields.Number("layer_norm_epsilon", 1e-5),
        };
        config.Validate();
        return config;
    }
}
