using System.Globalization;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Ops;

namespace Transformer.Models;

/// <summary>The layers of a <see cref="Seq2SeqTransformer"/> and how they are connected.</summary>
/// <remarks>Vaswani et al. 2017, figure 1; with pre-norm, one more norm after each stack (Xiong
/// et al. 2020).</remarks>
internal sealed class Seq2SeqNetwork
{
    private readonly Seq2SeqConfig config;
    private readonly Embeddings source;
    private readonly Embeddings target;
    private readonly EncoderLayer[] encoder;
    private readonly DecoderLayer[] decoder;
    private readonly LayerNormLayer? encoderNorm;
    private readonly LayerNormLayer? decoderNorm;
    private readonly LinearLayer output;

    /// <summary>Declares the parameters.</summary>
    /// <param name="config">A valid configuration.</param>
    /// <param name="parameters">Not yet allocated.</param>
    /// <param name="finalNorms">Whether a norm follows each stack; null: with pre-norm.</param>
    public Seq2SeqNetwork(
        Seq2SeqConfig config, ParameterSet parameters, bool? finalNorms = null)
    {
        this.config = config;
        TransformerLayerOptions options = new()
        {
            Width = config.Width,
            Heads = config.Heads,
            Hidden = config.FeedForwardWidth,
            Activation = config.Activation,
            Norm = config.Norm,
            Dropout = config.Dropout,
        };
        AttentionPositions? Kind(string stack, bool bidirectional) => AttentionPositions.Declare(
            parameters, $"{stack}.positions", config.Positions,
            new(config.Heads, config.Width / config.Heads, config.MaxPositions, bidirectional));
        source = new(parameters, "source", EmbeddingOptions(config.SourceVocabulary));
        target = new(parameters, "target", EmbeddingOptions(config.TargetVocabulary),
            config.TieEmbeddings ? source.Tokens : null);
        TransformerLayerOptions encoderOptions =
            options with { Positions = Kind("encoder", bidirectional: true) };
        encoder = Stack(config.EncoderLayers, i => new EncoderLayer(
            parameters, Named("encoder", i), encoderOptions));
        TransformerLayerOptions decoderOptions =
            options with { Positions = Kind("decoder", bidirectional: false) };
        decoder = Stack(config.DecoderLayers, i => new DecoderLayer(
            parameters, Named("decoder", i), decoderOptions));
        if (finalNorms ?? config.Norm == NormPlacement.Pre)
        {
            encoderNorm = new(parameters, "encoder.norm", config.Width);
            decoderNorm = new(parameters, "decoder.norm", config.Width);
        }

        output = config.SharesOutput
            ? new("output", target.Tokens, config.OutputBias ? parameters.Declare(
                "output.bias", new(config.TargetVocabulary), Initializer.Zeros, decay: false)
                : null)
            : new(parameters, "output", config.Width, config.TargetVocabulary,
                config.OutputBias);
    }

    /// <summary>Layers of the decoder, for those who project keys and values themselves.
    /// </summary>
    public IReadOnlyList<DecoderLayer> Decoder => decoder;

    /// <summary>Name of a layer's parameters: encoder.0, decoder.1.</summary>
    public static string Named(string stack, int layer) =>
        string.Create(CultureInfo.InvariantCulture, $"{stack}.{layer}");

    /// <summary>Token ids [B, S] → the encoder's output [B, S, D].</summary>
    /// <param name="g">The graph.</param>
    /// <param name="ids">[B, S] Int32.</param>
    /// <param name="lengths">[B] Int32: tokens that are no padding.</param>
    /// <param name="scores">Which scores are graph outputs, as NAME.attention.scores.</param>
    public GraphTensor Encode(
        GraphBuilder g, GraphTensor ids, GraphTensor lengths,
        ScoreOutput scores = ScoreOutput.None) =>
        EncodeVectors(g, source.Apply(g, ids), lengths, scores);

    /// <summary>Vectors [B, S, D] → the encoder's output [B, S, D].</summary>
    public GraphTensor EncodeVectors(
        GraphBuilder g, GraphTensor x, GraphTensor lengths, ScoreOutput scores = ScoreOutput.None)
    {
        AttentionNodeOptions visibility = new() { KeyLengths = lengths, ScoreOutput = scores };
        foreach (EncoderLayer layer in encoder) x = layer.Apply(g, x, visibility);
        return encoderNorm?.Apply(g, x) ?? x;
    }

    /// <summary>Target ids [B, T] and the encoder's output → decoder output [B, T, D].</summary>
    /// <param name="g">The graph.</param>
    /// <param name="ids">[B, T] Int32, begin token first; padding after the end is seen by no
    /// earlier position.</param>
    /// <param name="memory">[B, S, D].</param>
    /// <param name="lengths">[B] Int32: source tokens that are no padding.</param>
    /// <param name="scores">As for <see cref="Encode"/>.</param>
    public GraphTensor Decode(
        GraphBuilder g, GraphTensor ids, GraphTensor memory, GraphTensor lengths,
        ScoreOutput scores = ScoreOutput.None) =>
        DecodeVectors(g, target.Apply(g, ids), memory, new() { ScoreOutput = scores },
            new() { KeyLengths = lengths, ScoreOutput = scores });

    /// <summary>Vectors [B, T, D] and the encoder's output → decoder output [B, T, D].</summary>
    public GraphTensor DecodeVectors(
        GraphBuilder g, GraphTensor x, GraphTensor memory, AttentionNodeOptions visibility,
        AttentionNodeOptions crossVisibility)
    {
        foreach (DecoderLayer layer in decoder)
            x = layer.Apply(g, x, memory, visibility, crossVisibility);
        return decoderNorm?.Apply(g, x) ?? x;
    }

    /// <summary>One new token a row, with caches → decoder output [B, 1, D].</summary>
    /// <param name="g">The graph.</param>
    /// <param name="ids">[B, 1] Int32.</param>
    /// <param name="positionIds">[B, 1] Int32.</param>
    /// <param name="cache">Of the self-attention.</param>
    /// <param name="memory">Keys and values of the encoder's output by layer.</param>
    /// <param name="lengths">[B] Int32: source tokens that are no padding.</param>
    public GraphTensor DecodeStep(
        GraphBuilder g, GraphTensor ids, GraphTensor positionIds, KeyValueCache cache,
        IReadOnlyList<KeyValue> memory, GraphTensor lengths)
    {
        cache = cache with { PositionIds = positionIds };
        GraphTensor x = target.Apply(g, ids, positionIds);
        AttentionNodeOptions crossVisibility = new() { KeyLengths = lengths };
        for (int i = 0; i < decoder.Length; i++)
            x = decoder[i].ApplyCached(g, x, cache, memory[i], null, crossVisibility);
        return decoderNorm?.Apply(g, x) ?? x;
    }

    /// <summary>Decoder output [B, T, D] → logits [B, T, V].</summary>
    public GraphTensor Project(GraphBuilder g, GraphTensor x) => output.Apply(g, x);

    private static T[] Stack<T>(int layers, Func<int, T> make) =>
        [.. Enumerable.Range(0, layers).Select(make)];

    private EmbeddingsOptions EmbeddingOptions(int vocabulary) => new()
    {
        Vocabulary = vocabulary,
        Width = config.Width,
        Positions = config.Positions,
        HalvedSinusoids = config.HalvedSinusoids,
        MaxPositions = config.MaxPositions,
        ScaleByRootWidth = config.ScalesEmbeddings,
        Dropout = config.Dropout,
    };
}
