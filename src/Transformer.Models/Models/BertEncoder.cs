using System.Globalization;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models;

/// <summary>What all models on BERT share: embeddings, encoder layers, pooler.</summary>
/// <remarks>Devlin et al. 2018, §3: token, position and segment vectors summed and normalised;
/// post-norm layers that see both ways; the pooler is tanh of a linear layer on the first token.
/// </remarks>
internal sealed class BertEncoder
{
    private const double Deviation = 0.02;

    private readonly BertConfig config;
    private readonly ParameterSet parameters;
    private readonly Embeddings embeddings;
    private readonly LayerNormLayer norm;
    private readonly EncoderLayer[] layers;
    private readonly LinearLayer pooler;

    /// <summary>Declares the parameters.</summary>
    /// <param name="config">A valid configuration.</param>
    /// <param name="parameters">Not yet allocated.</param>
    public BertEncoder(BertConfig config, ParameterSet parameters)
    {
        this.config = config;
        this.parameters = parameters;
        embeddings = new(parameters, "embeddings", new()
        {
            Vocabulary = config.Vocabulary,
            Width = config.Width,
            Positions = config.PositionKind,
            MaxPositions = config.Positions,
            Segments = config.Segments,
            ScaleByRootWidth = config.PositionKind == PositionKind.Sinusoidal,
            InitialDeviation = Deviation,
        });
        norm = new(parameters, "embeddings.norm", config.Width, config.Epsilon);
        TransformerLayerOptions options = new()
        {
            Width = config.Width,
            Heads = config.Heads,
            Hidden = config.Hidden,
            Activation = config.Activation,
            Norm = NormPlacement.Post,
            Epsilon = config.Epsilon,
            Dropout = config.Dropout,
            Positions = AttentionPositions.Declare(parameters, Positions, config.PositionKind,
                new(config.Heads, config.Width / config.Heads, config.Positions,
                    Bidirectional: true)),
            Weights = new(Weights, Weights),
        };
        layers = [.. Enumerable.Range(0, config.Layers).Select(
            i => new EncoderLayer(parameters, Named(i), options))];
        pooler = new(parameters, "pooler", config.Width, config.Width, initializer: Weights);
    }

    /// <summary>How BERT's matrices begin.</summary>
    public static Initializer Weights { get; } = Initializer.Normal(Deviation);

    /// <summary>[V, D], shared with the head for masked tokens.</summary>
    public Parameter TokenTable => embeddings.Tokens;

    /// <summary>Texts → vectors [B, T, D].</summary>
    /// <param name="g">The graph.</param>
    /// <param name="ids">[B, T] Int32.</param>
    /// <param name="segments">[B, T] Int32.</param>
    /// <param name="lengths">[B] Int32: tokens that are no padding.</param>
    /// <param name="scores">Which scores are graph outputs, as NAME.attention.scores.</param>
    public GraphTensor Encode(
        GraphBuilder g, GraphTensor ids, GraphTensor segments, GraphTensor lengths,
        ScoreOutput scores = ScoreOutput.None)
    {
        GraphTensor x = norm.Apply(g, embeddings.Apply(g, ids, null, segments));
        x = g.Dropout(x, config.Dropout, "embeddings.dropout");
        AttentionNodeOptions visibility = new() { KeyLengths = lengths, ScoreOutput = scores };
        foreach (EncoderLayer layer in layers) x = layer.Apply(g, x, visibility);
        return x;
    }

    /// <summary>The attention weights of every layer and head for one text or pair.</summary>
    /// <param name="arena">Memory of the model's graphs.</param>
    /// <param name="ids">[T], at most the model's positions.</param>
    /// <param name="segments">[T].</param>
    /// <returns>By layer [H, T, T].</returns>
    public AttentionMap[] Attention(GraphArena arena, int[] ids, int[] segments)
    {
        GraphBuilder g = new("attention", parameters);
        TensorShape shape = new(1, ids.Length);
        Encode(g, g.Input("ids", shape, DType.Int32), g.Input("segments", shape, DType.Int32),
            g.Input("lengths", new(1), DType.Int32), ScoreOutput.Probabilities);
        using CompiledGraph graph = g.Compile(
            new() { Backend = parameters.Backend, Arena = arena });
        graph.Feed<int>("ids", ids);
        graph.Feed<int>("segments", segments);
        graph.Feed<int>("lengths", [ids.Length]);
        graph.Forward();
        return AttentionMap.Read(graph, Enumerable.Range(0, layers.Length).Select(Named));
    }

    /// <summary>tanh(W·x + b) of the first token of each text [B, 1, D].</summary>
    /// <param name="g">The graph.</param>
    /// <param name="x">[B, T, D].</param>
    /// <param name="firstRows">[B, 1] Int32: 0, T, 2·T, ….</param>
    public GraphTensor Pool(GraphBuilder g, GraphTensor x, GraphTensor firstRows) =>
        pooler.Apply(g, g.Gather(x, firstRows, "pooler.first"), Activation.Tanh);

    /// <summary>The numbers of the first rows of B texts of T tokens.</summary>
    public static int[] FirstRows(int batch, int length) =>
        [.. Enumerable.Range(0, batch).Select(row => row * length)];

    /// <summary>Its tensors as Hugging Face's BertModel names them, after <c>bert.</c>.</summary>
    public IEnumerable<StoredTensor> Stored()
    {
        yield return Same("embeddings.word_embeddings.weight", "embeddings.tokens.weight");
        if (embeddings.Positions is { Trainable: true })
        {
            yield return
                Same("embeddings.position_embeddings.weight", "embeddings.positions.weight");
        }

        if (parameters.All.Any(p => p.Name == PositionKinds.RelativeBias(Positions)))
        {
            yield return Same(
                "encoder.relative_attention_bias.weight", PositionKinds.RelativeBias(Positions));
        }

        yield return Same("embeddings.token_type_embeddings.weight", "embeddings.segments.weight");
        foreach (string kind in Kinds)
            yield return Same($"embeddings.LayerNorm.{kind}", $"embeddings.norm.{kind}");
        for (int i = 0; i < layers.Length; i++)
        {
            string layer = Named(i);
            string file = string.Create(CultureInfo.InvariantCulture, $"encoder.layer.{i}");
            foreach ((string part, string name) in LayerParts)
            {
                foreach (string kind in Kinds)
                    yield return Same($"{file}.{part}.{kind}", $"{layer}.{name}.{kind}");
            }
        }

        foreach (string kind in Kinds)
            yield return Same($"pooler.dense.{kind}", $"pooler.{kind}");
    }

    /// <summary>What files spell in other ways: old norms have gamma and beta, and a model that was
    /// saved without heads lacks the prefix.</summary>
    public static string Rename(string name)
    {
        const StringComparison Ordinal = StringComparison.Ordinal;
        if (name.EndsWith(".LayerNorm.gamma", Ordinal)) name = name[..^"gamma".Length] + "weight";
        if (name.EndsWith(".LayerNorm.beta", Ordinal)) name = name[..^"beta".Length] + "bias";
        bool bare = name.StartsWith("embeddings.", Ordinal)
            || name.StartsWith("encoder.", Ordinal) || name.StartsWith("pooler.", Ordinal);
        return bare ? Prefix + name : name;
    }

    /// <summary>Whether a tensor of a file is the constant 0, 1, 2, … that some hold.</summary>
    public static bool IsCounter(string name) =>
        name is $"{Prefix}embeddings.position_ids" or $"{Prefix}embeddings.token_type_ids";

    private const string Prefix = "bert.", Positions = "positions";

    private static readonly string[] Kinds = ["weight", "bias"];

    private static readonly (string File, string Name)[] LayerParts =
    [
        ("attention.self.query", "attention.query"), ("attention.self.key", "attention.key"),
        ("attention.self.value", "attention.value"),
        ("attention.output.dense", "attention.output"),
        ("attention.output.LayerNorm", "attentionNorm"), ("intermediate.dense", "feedForward.up"),
        ("output.dense", "feedForward.down"), ("output.LayerNorm", "feedForwardNorm"),
    ];

    private static string Named(int layer) =>
        string.Create(CultureInfo.InvariantCulture, $"layers.{layer}");

    private StoredTensor Same(string file, string name) =>
        StoredTensor.Of(parameters[name]) with { Name = Prefix + file };
}
