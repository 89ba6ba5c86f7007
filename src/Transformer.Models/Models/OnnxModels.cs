using System.Globalization;
using Transformer.Models.Layers;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models;

/// <summary>Whole models as graphs of ai.onnx's operators, with the inputs and outputs that Hugging
/// Face's exporter gives them.</summary>
internal static class OnnxModels
{
    private const string Ids = "input_ids", Mask = "attention_mask", Batch = "batch",
        Sequence = "sequence";

    /// <summary>Writes a decoder-only model: input_ids [batch, sequence] Int64 → logits [batch,
    /// sequence, V].</summary>
    public static IReadOnlyList<string> Write(string path, Gpt model)
    {
        GptConfig config = model.Config;
        PositionKinds.RequireTable(config.PositionKind);
        OnnxLayers net = new("gpt2", model.Parameters, new(
            config.Width, config.Heads, NormPlacement.Pre, Activation.GeluTanh, config.Epsilon));
        string ids = net.Graph.Input(Ids, DType.Int64, Batch, Sequence);
        string later = net.Later(ids);
        string x = net.Embed("embeddings", "embeddings.tokens.weight", ids,
            scaled: config.PositionKind == PositionKind.Sinusoidal);
        for (int i = 0; i < config.Layers; i++)
            x = net.EncoderLayer(Seq2SeqNetwork.Named("layers", i), x, later);
        string logits = net.Project("output", "embeddings.tokens.weight", net.Norm("norm", x));
        net.Graph.Output(
            logits, "logits", DType.Float32, Batch, Sequence, Text(config.Vocabulary));
        return net.Graph.Write(path);
    }

    /// <summary>Writes a BERT with its two heads: input_ids, attention_mask (0 for padding) and
    /// token_type_ids, each [batch, sequence] Int64 → prediction_logits [batch, sequence, V] and
    /// seq_relationship_logits [batch, 2].</summary>
    public static IReadOnlyList<string> Write(string path, Bert model)
    {
        (OnnxLayers net, string x) = Encode("bert", model.Config, model.Parameters);
        string chosen = net.Norm("masked.norm", net.Activate(net.Linear("masked.transform", x)));
        net.Graph.Output(
            net.Project("masked.output", "embeddings.tokens.weight", chosen), "prediction_logits",
            DType.Float32, Batch, Sequence, Text(model.Config.Vocabulary));
        net.Graph.Output(net.Linear("next", Pool(net, x)), "seq_relationship_logits",
            DType.Float32, Batch, "2");
        return net.Graph.Write(path);
    }

    /// <summary>Writes a classifier: inputs as for a BERT → logits [batch, classes].</summary>
    public static IReadOnlyList<string> Write(string path, BertClassifier model)
    {
        (OnnxLayers net, string x) = Encode("classifier", model.Config, model.Parameters);
        net.Graph.Output(net.Linear("classifier", Pool(net, x)), "logits", DType.Float32, Batch,
            Text(model.Labels.Count));
        return net.Graph.Write(path);
    }

    /// <summary>Writes the encoder of a translator: input_ids and attention_mask, both [batch,
    /// sequence] Int64 → last_hidden_state [batch, sequence, D].</summary>
    public static IReadOnlyList<string> WriteEncoder(string path, Seq2SeqTransformer model)
    {
        Seq2SeqConfig config = model.Config;
        OnnxLayers net = Start("encoder", model);
        string ids = net.Graph.Input(Ids, DType.Int64, Batch, Sequence);
        string padding = net.Padding(net.Graph.Input(Mask, DType.Int64, Batch, Sequence));
        string x = net.Embed("source", "source.tokens.weight", ids, config.ScalesEmbeddings);
        for (int i = 0; i < config.EncoderLayers; i++)
            x = net.EncoderLayer(Seq2SeqNetwork.Named("encoder", i), x, padding);
        net.Graph.Output(net.NormIfAny("encoder.norm", x), "last_hidden_state", DType.Float32,
            Batch, Sequence, Text(config.Width));
        return net.Graph.Write(path);
    }

    /// <summary>Writes the decoder of a translator: input_ids [batch, target] Int64,
    /// encoder_hidden_states [batch, sequence, D] and encoder_attention_mask [batch, sequence]
    /// Int64 → logits [batch, target, V].</summary>
    public static IReadOnlyList<string> WriteDecoder(string path, Seq2SeqTransformer model)
    {
        const string Target = "target";
        Seq2SeqConfig config = model.Config;
        OnnxLayers net = Start("decoder", model);
        string ids = net.Graph.Input(Ids, DType.Int64, Batch, Target);
        string memory = net.Graph.Input("encoder_hidden_states", DType.Float32, Batch, Sequence,
            Text(config.Width));
        string padding =
            net.Padding(net.Graph.Input($"encoder_{Mask}", DType.Int64, Batch, Sequence));
        string later = net.Later(ids);
        string table = config.TieEmbeddings ? "source.tokens.weight" : "target.tokens.weight";
        string x = net.Embed("target", table, ids, config.ScalesEmbeddings);
        for (int i = 0; i < config.DecoderLayers; i++)
        {
            x = net.DecoderLayer(
                Seq2SeqNetwork.Named("decoder", i), x, memory, later, padding);
        }

        x = net.NormIfAny("decoder.norm", x);
        string logits = config.SharesOutput
            ? net.Project("output", table, x) : net.Linear("output", x);
        net.Graph.Output(
            logits, "logits", DType.Float32, Batch, Target, Text(config.TargetVocabulary));
        return net.Graph.Write(path);
    }

    private static OnnxLayers Start(string name, Seq2SeqTransformer model)
    {
        Seq2SeqConfig config = model.Config;
        return new(name, model.Parameters, new(config.Width, config.Heads, config.Norm,
            config.Activation, TransformerLayerOptions.DefaultEpsilon));
    }

    /// <summary>What all models on BERT begin with: texts → vectors [batch, sequence, D].</summary>
    private static (OnnxLayers Net, string X) Encode(
        string name, BertConfig config, Graph.ParameterSet parameters)
    {
        PositionKinds.RequireTable(config.PositionKind);
        OnnxLayers net = new(name, parameters, new(config.Width, config.Heads,
            NormPlacement.Post, config.Activation, config.Epsilon));
        string ids = net.Graph.Input(Ids, DType.Int64, Batch, Sequence);
        string padding = net.Padding(net.Graph.Input(Mask, DType.Int64, Batch, Sequence));
        string segments = net.Graph.Input("token_type_ids", DType.Int64, Batch, Sequence);
        string x = net.Norm("embeddings.norm", net.Embed("embeddings", "embeddings.tokens.weight",
            ids, scaled: config.PositionKind == PositionKind.Sinusoidal, segments));
        for (int i = 0; i < config.Layers; i++)
            x = net.EncoderLayer(Seq2SeqNetwork.Named("layers", i), x, padding);
        return (net, x);
    }

    private static string Pool(OnnxLayers net, string x) =>
        net.Graph.Add("Tanh", [net.Linear("pooler", net.First(x))]);

    private static string Text(int size) => size.ToString(CultureInfo.InvariantCulture);
}
