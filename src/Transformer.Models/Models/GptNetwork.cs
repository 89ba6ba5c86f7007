using System.Globalization;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models;

/// <summary>The last token of each text among tokens that fill it up.</summary>
/// <param name="Rows">[B, 1] Int32: its row of the B·N.</param>
/// <param name="Lengths">[B] Int32: tokens of the text with it, and with those in caches.</param>
internal sealed record LastRows(GraphTensor Rows, GraphTensor Lengths);

/// <summary>The layers of a <see cref="Gpt"/> and how they are connected.</summary>
/// <remarks>Radford et al. 2019, §2.3: learned positions by default, pre-norm, one more norm after
/// the last layer, weights of the residual stream scaled by 1/√(2L) at first; the logits are
/// products with the token table. GELU by the tanh form.</remarks>
internal sealed class GptNetwork
{
    private const double Deviation = 0.02;
    private const string Prefix = "transformer.", Head = "lm_head.weight",
        Positions = "positions";

    private readonly Embeddings embeddings;
    private readonly EncoderLayer[] layers;
    private readonly LayerNormLayer norm;
    private readonly LinearLayer output;
    private readonly ParameterSet parameters;

    /// <summary>Declares the parameters.</summary>
    /// <param name="config">A valid configuration.</param>
    /// <param name="parameters">Not yet allocated.</param>
    public GptNetwork(GptConfig config, ParameterSet parameters)
    {
        this.parameters = parameters;
        embeddings = new(parameters, "embeddings", new()
        {
            Vocabulary = config.Vocabulary,
            Width = config.Width,
            Positions = config.PositionKind,
            MaxPositions = config.Positions,

            // Else sinusoids would drown the vectors of the tokens.
            ScaleByRootWidth = config.PositionKind == PositionKind.Sinusoidal,
            Dropout = config.Dropout,
            InitialDeviation = Deviation,
        });
        TransformerLayerOptions options = new()
        {
            Width = config.Width,
            Heads = config.Heads,
            Activation = Activation.GeluTanh,
            Norm = NormPlacement.Pre,
            Epsilon = config.Epsilon,
            Dropout = config.Dropout,
            Positions = AttentionPositions.Declare(parameters, Positions, config.PositionKind,
                new(config.Heads, config.Width / config.Heads, config.Positions,
                    Bidirectional: false)),
            Weights = new(Initializer.Normal(Deviation),
                Initializer.Normal(Deviation / Math.Sqrt(2.0 * config.Layers))),
        };
        layers = [.. Enumerable.Range(0, config.Layers).Select(
            i => new EncoderLayer(parameters, Named(i), options))];
        norm = new(parameters, "norm", config.Width, config.Epsilon);
        output = new("output", embeddings.Tokens, null);
    }

    /// <summary>Names of the layers' parameters.</summary>
    public IEnumerable<string> LayerNames => Enumerable.Range(0, layers.Length).Select(Named);

    /// <summary>Token ids [B, S] from the first position on → logits [B, S, V].</summary>
    /// <param name="g">The graph.</param>
    /// <param name="ids">[B, S] Int32.</param>
    /// <param name="scores">Which scores are graph outputs, as NAME.attention.scores.</param>
    public GraphTensor Logits(
        GraphBuilder g, GraphTensor ids, ScoreOutput scores = ScoreOutput.None)
    {
        GraphTensor x = embeddings.Apply(g, ids);
        AttentionNodeOptions causal =
            new() { Causal = CausalAlignment.TopLeft, ScoreOutput = scores };
        foreach (EncoderLayer layer in layers) x = layer.Apply(g, x, causal);
        return output.Apply(g, norm.Apply(g, x));
    }

    /// <summary>New tokens [B, N], with caches → logits [B, 1, V] after one of them.</summary>
    /// <param name="g">The graph.</param>
    /// <param name="ids">[B, N] Int32.</param>
    /// <param name="positionIds">[B, N] Int32.</param>
    /// <param name="cache">Keys and values of earlier tokens.</param>
    /// <param name="last">Where the wanted tokens are; null: there is one each.</param>
    public GraphTensor NextLogits(
        GraphBuilder g, GraphTensor ids, GraphTensor positionIds, KeyValueCache cache,
        LastRows? last)
    {
        cache = cache with { PositionIds = positionIds };
        GraphTensor x = embeddings.Apply(g, ids, positionIds);
        foreach (EncoderLayer layer in last is null ? layers : layers[..^1])
            x = layer.ApplyCached(g, x, cache);
        if (last is not null)
        {
            x = layers[^1].ApplyCachedToLast(
                g, x, cache with { KeyLengths = last.Lengths }, last.Rows);
        }

        return output.Apply(g, norm.Apply(g, x));
    }

    /// <summary>All tensors as Hugging Face's GPT2LMHeadModel names and lays them out: matrices
    /// of linear layers are [in, out], query, key and value are one. Files of the model without
    /// its head lack the names' prefix; old ones hold the causal masks of the layers.</summary>
    public StoredWeights Stored() => new([.. StoredTensors()])
    {
        Rename = name => name == Head || name.StartsWith(Prefix, StringComparison.Ordinal)
            ? name : Prefix + name,
        IsPassedOver = name => name.EndsWith(".attn.bias", StringComparison.Ordinal)
            || name.EndsWith(".attn.masked_bias", StringComparison.Ordinal),
        Copies = new Dictionary<string, string> { [Head] = $"{Prefix}wte.weight" },
    };

    private IEnumerable<StoredTensor> StoredTensors()
    {
        yield return Same("wte.weight", "embeddings.tokens.weight");
        if (embeddings.Positions is { Trainable: true })
            yield return Same("wpe.weight", "embeddings.positions.weight");
        if (parameters.All.Any(p => p.Name == PositionKinds.RelativeBias(Positions)))
        {
            yield return Same(
                "relative_attention_bias.weight", PositionKinds.RelativeBias(Positions));
        }

        for (int i = 0; i < layers.Length; i++)
        {
            string layer = Named(i);
            string file = string.Create(CultureInfo.InvariantCulture, $"h.{i}");
            foreach (string kind in (string[])["weight", "bias"])
            {
                yield return Same($"{file}.ln_1.{kind}", $"{layer}.attentionNorm.{kind}");
                yield return Linear($"{file}.attn.c_attn.{kind}",
                    $"{layer}.attention.query.{kind}", $"{layer}.attention.key.{kind}",
                    $"{layer}.attention.value.{kind}");
                yield return Linear(
                    $"{file}.attn.c_proj.{kind}", $"{layer}.attention.output.{kind}");
                yield return Same($"{file}.ln_2.{kind}", $"{layer}.feedForwardNorm.{kind}");
                yield return Linear($"{file}.mlp.c_fc.{kind}", $"{layer}.feedForward.up.{kind}");
                yield return Linear(
                    $"{file}.mlp.c_proj.{kind}", $"{layer}.feedForward.down.{kind}");
            }
        }

        yield return Same("ln_f.weight", "norm.weight");
        yield return Same("ln_f.bias", "norm.bias");
    }

    private static string Named(int layer) =>
        string.Create(CultureInfo.InvariantCulture, $"layers.{layer}");

    private StoredTensor Same(string file, string name) =>
        StoredTensor.Of(parameters[name]) with { Name = Prefix + file };

    /// <summary>Parameters [outᵢ, in] as one tensor [in, Σ outᵢ]; vectors joined.</summary>
    private StoredTensor Linear(string file, params string[] names)
    {
        Parameter[] parts = Array.ConvertAll(names, name => parameters[name]);
        int outputs = parts.Sum(p => (int)p.Shape[0]);
        int inputs = parts[0].Shape.Rank == 1 ? 1 : (int)parts[0].Shape[1];
        TensorShape shape = parts[0].Shape.Rank == 1 ? new(outputs) : new(inputs, outputs);
        return new(Prefix + file, shape,
            () => StoredTensor.Transpose(
                [.. parts.SelectMany(StoredTensor.Values)], outputs, inputs),
            values =>
            {
                float[] stacked = StoredTensor.Transpose(values, inputs, outputs);
                int start = 0;
                foreach (Parameter part in parts)
                {
                    int length = (int)part.Shape.ElementCount;
                    part.CopyFrom(stacked.AsSpan(start, length));
                    start += length;
                }
            });
    }
}
