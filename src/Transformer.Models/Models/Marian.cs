using System.Globalization;
using System.Text.Json;
using Transformer.Models.Interchange;
using Transformer.Models.Layers;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models;

/// <summary>Encoder–decoder models as Hugging Face's MarianMTModel lays them out: OPUS-MT's
/// translators and others that Marian trained.</summary>
/// <remarks>Junczys-Dowmunt et al., "Marian: Fast Neural Machine Translation in C++" (2018). Norms
/// follow the residual sums, one table serves source, target and output, and the padding token
/// opens the decoder's input.</remarks>
internal static class Marian
{
    public const string ModelType = "marian", Kind = "MarianMTModel";

    private const string Prefix = "model.", Shared = "model.shared.weight";

    private static readonly string[] Kinds = ["weight", "bias"];

    private static readonly (string Name, Activation Value)[] Activations =
    [
        ("gelu", Activation.Gelu), ("swish", Activation.Silu), ("silu", Activation.Silu),
        ("relu", Activation.Relu), ("gelu_new", Activation.GeluTanh),
    ];

    private static readonly (string File, string Name)[] EncoderParts =
    [
        .. AttentionParts("self_attn", "attention"), ("fc1", "feedForward.up"),
        ("fc2", "feedForward.down"), ("final_layer_norm", "feedForwardNorm"),
    ];

    private static readonly (string File, string Name)[] DecoderParts =
        [.. EncoderParts, .. AttentionParts("encoder_attn", "crossAttention")];

    /// <summary>Reads a model from a folder.</summary>
    /// <param name="folder">With config.json and model.safetensors or its index.</param>
    /// <param name="unknownId">Id of the token of unknown words, which config.json lacks.</param>
    /// <param name="backend">What it runs on.</param>
    /// <exception cref="InvalidDataException">A file is damaged, or the model is built in another
    /// way; the message names file and field or tensor.</exception>
    public static Seq2SeqTransformer Load(
        string folder, int unknownId, Backends.Backend backend)
    {
        string weights = Path.Combine(folder, ModelFolder.WeightsFile);
        Seq2SeqConfig config = BertConfig.Read(
            Path.Combine(folder, ModelFolder.ConfigFile), root => FromJson(root, unknownId));
        config = config with { Positions = Positions(weights, config, out bool halved) };
        config = config with { HalvedSinusoids = halved };
        return ModelFolder.Filled(new Seq2SeqTransformer(config, backend, seed: 0), model =>
            new StoredWeights([.. Stored(model).Where(t => !IsConstant(model, t))])
            {
                IsPassedOver = name => config.Positions == PositionKind.Sinusoidal
                    && (name == Table("encoder") || name == Table("decoder")),
                Copies = Spellings(),
            }.Load(weights));
    }

    /// <summary>All tensors of a model, position tables that do not learn among them.</summary>
    public static IEnumerable<StoredTensor> Stored(Seq2SeqTransformer model)
    {
        yield return Same(model, Shared, "source.tokens.weight");
        yield return Same(model, Table("encoder"), "source.positions.weight");
        yield return Same(model, Table("decoder"), "target.positions.weight");
        foreach (StoredTensor tensor in Stack(
            model, "encoder", model.Config.EncoderLayers, EncoderParts))
            yield return tensor;
        foreach (StoredTensor tensor in Stack(
            model, "decoder", model.Config.DecoderLayers, DecoderParts))
            yield return tensor;
        int vocabulary = model.Config.TargetVocabulary;
        yield return model.Config.OutputBias
            ? Same(model, "final_logits_bias", "output.bias") with { Shape = new(1, vocabulary) }
            : new("final_logits_bias", new(1, vocabulary), () => new float[vocabulary], _ => { });
    }

    /// <summary>Requires a model that MarianMTModel can be.</summary>
    /// <exception cref="NotSupportedException">It is none; the message says why.</exception>
    public static void RequireWritable(string what, Seq2SeqConfig config)
    {
        bool marked = config.Positions is PositionKind.Sinusoidal or PositionKind.Learned;
        (bool Holds, string Need)[] needs =
        [
            (config.Norm == NormPlacement.Post, "norms after the residual sums (--norm post)"),
            (config.TieEmbeddings,
                "one table for source, target and output (--tokenizer bpe or unigram, --tie all)"),
            (marked, "sinusoidal or learned positions"),
            (Array.Exists(Activations, a => a.Value == config.Activation),
                "the activation relu, gelu, gelu-tanh or silu"),
        ];
        foreach ((bool holds, string need) in needs)
        {
            if (holds) continue;
            throw new NotSupportedException($"'{what}': {Kind}, the form that translators are " +
                $"written in for other libraries, has {need}. Train a model that has them.");
        }
    }

    /// <summary>Writes config.json.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void SaveConfig(string path, Seq2SeqConfig config)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true }))
            Write(json, config);
        AtomicFile.Write(path, file => file.Write(stream.GetBuffer(), 0, (int)stream.Length));
    }

    private static void Write(Utf8JsonWriter json, Seq2SeqConfig config)
    {
        json.WriteStartObject();
        json.WriteString("model_type", ModelType);
        json.WriteStartArray("architectures");
        json.WriteStringValue(Kind);
        json.WriteEndArray();
        json.WriteBoolean("is_encoder_decoder", true);
        (string Name, int Value)[] numbers =
        [
            ("vocab_size", config.SourceVocabulary),
            ("decoder_vocab_size", config.TargetVocabulary), ("d_model", config.Width),
            ("encoder_layers", config.EncoderLayers), ("decoder_layers", config.DecoderLayers),
            ("encoder_attention_heads", config.Heads), ("decoder_attention_heads", config.Heads),
            ("encoder_ffn_dim", config.FeedForwardWidth),
            ("decoder_ffn_dim", config.FeedForwardWidth),
            ("max_position_embeddings", config.MaxPositions), ("pad_token_id", config.PadId),
            ("eos_token_id", config.EosId), ("forced_eos_token_id", config.EosId),
            ("decoder_start_token_id", config.BosId),
        ];
        foreach ((string name, int value) in numbers) json.WriteNumber(name, value);
        json.WriteString("activation_function",
            Array.Find(Activations, a => a.Value == config.Activation).Name);
        json.WriteNumber("dropout", config.Dropout);
        json.WriteNumber("attention_dropout", 0);
        json.WriteNumber("activation_dropout", 0);
        json.WriteBoolean("scale_embedding", true);
        json.WriteBoolean("share_encoder_decoder_embeddings", true);
        json.WriteBoolean("tie_word_embeddings", true);
        json.WriteBoolean(
            "static_position_embeddings", config.Positions == PositionKind.Sinusoidal);
        json.WriteEndObject();
    }

    private static Seq2SeqConfig FromJson(JsonElement root, int unknownId)
    {
        ConfigFields fields = new(Kind, root);
        fields.Require("model_type", ModelType);
        fields.Require("activation_function", [.. Activations.Select(a => a.Name)]);
        fields.Require("scale_embedding", only: true);
        fields.Require("share_encoder_decoder_embeddings", only: true);
        fields.Require("tie_word_embeddings", only: true);
        fields.Require("normalize_before", only: false);
        fields.Require("normalize_embedding", only: false);
        fields.Require("add_final_layer_norm", only: false);
        string activation = fields.Text("activation_function", Activations[0].Name);
        int vocabulary = fields.Integer("vocab_size", null), pad = fields.Integer(
            "pad_token_id", null);
        Seq2SeqConfig config = new()
        {
            SourceVocabulary = vocabulary,
            TargetVocabulary = fields.Integer("decoder_vocab_size", vocabulary),
            EncoderLayers = fields.Integer("encoder_layers", null),
            DecoderLayers = fields.Integer("decoder_layers", null),
            Width = fields.Integer("d_model", null),
            Heads = Equal("encoder_attention_heads", "decoder_attention_heads"),
            FeedForwardWidth = Equal("encoder_ffn_dim", "decoder_ffn_dim"),
            MaxPositions = fields.Integer("max_position_embeddings", null),
            Dropout = fields.Number("dropout", 0.1),
            Norm = NormPlacement.Post,
            Activation = Array.Find(Activations, a => a.Name == activation).Value,
            TieEmbeddings = true,
            OutputBias = true,
            PadId = pad,
            UnknownId = unknownId,
            BosId = fields.Integer("decoder_start_token_id", pad),
            EosId = fields.Integer("eos_token_id", null),
        };
        config.Validate();
        return config;

        int Equal(string encoder, string decoder)
        {
            int one = fields.Integer(encoder, null), other = fields.Integer(decoder, null);
            return one == other ? one : throw new InvalidDataException(string.Create(
                CultureInfo.InvariantCulture, $"{Kind}: '{encoder}' is {one} and '{decoder}' is " +
                $"{other}; expected the same of both. Choose another model."));
        }
    }

    /// <summary>What a file's position tables are; files may leave sinusoids out.</summary>
    private static PositionKind Positions(string path, Seq2SeqConfig config, out bool halved)
    {
        using SafeTensorsSet file = SafeTensorsSet.Open(path);
        List<(float[] Values, double Tolerance)> tables =
            [.. new[] { Table("encoder"), Table("decoder") }.Where(file.Tensors.ContainsKey)
                .Select(name => (file.ToSingles(name), Tolerance(file.Tensors[name].DType)))];
        halved = tables.TrueForAll(Is(halved: true));
        return halved || tables.TrueForAll(Is(halved: false))
            ? PositionKind.Sinusoidal : PositionKind.Learned;

        Predicate<(float[] Values, double Tolerance)> Is(bool halved)
        {
            float[] expected = PositionalEncoding.Sinusoidal(
                config.MaxPositions, config.Width, halved);
            return table => table.Values.Length == expected.Length && table.Values.Zip(expected)
                .All(p => Math.Abs(p.First - p.Second) <= table.Tolerance);
        }

        // Sines are at most 1: half a unit in the last place, and as much again for the angle,
        // which others may compute in float.
        static double Tolerance(DType? type) => type switch
        {
            DType.BFloat16 => 1.0 / 256,
            DType.Float16 => 1.0 / 2048,
            _ => 1e-4,
        };
    }

    private static Dictionary<string, string> Spellings() => new()
    {
        ["lm_head.weight"] = Shared,
        [$"{Prefix}encoder.embed_tokens.weight"] = Shared,
        [$"{Prefix}decoder.embed_tokens.weight"] = Shared,
    };

    private static string Table(string stack) => $"{Prefix}{stack}.embed_positions.weight";

    private static bool IsConstant(Seq2SeqTransformer model, StoredTensor tensor) =>
        model.Config.Positions == PositionKind.Sinusoidal
        && (tensor.Name == Table("encoder") || tensor.Name == Table("decoder"));

    private static (string File, string Name)[] AttentionParts(string file, string name) =>
    [
        ($"{file}.q_proj", $"{name}.query"), ($"{file}.k_proj", $"{name}.key"),
        ($"{file}.v_proj", $"{name}.value"), ($"{file}.out_proj", $"{name}.output"),
        ($"{file}_layer_norm", $"{name}Norm"),
    ];

    private static IEnumerable<StoredTensor> Stack(
        Seq2SeqTransformer model, string stack, int layers, (string File, string Name)[] parts)
    {
        for (int i = 0; i < layers; i++)
        {
            string file = string.Create(
                CultureInfo.InvariantCulture, $"{Prefix}{stack}.layers.{i}");
            foreach ((string part, string name) in parts)
            {
                foreach (string kind in Kinds)
                {
                    yield return Same(model, $"{file}.{part}.{kind}",
                        $"{Seq2SeqNetwork.Named(stack, i)}.{name}.{kind}");
                }
            }
        }
    }

    private static StoredTensor Same(Seq2SeqTransformer model, string file, string name) =>
        StoredTensor.Of(model.Parameters[name]) with { Name = file };
}
