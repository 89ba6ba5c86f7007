using Transformer.Models.Layers;
using Transformer.Ops;

namespace Transformer.Models;

/// <summary>Shape of an encoder-only Transformer; stored as config.json beside its weights, in
/// Hugging Face's form for BERT.</summary>
/// <remarks>Devlin et al.: "BERT: Pre-training of Deep Bidirectional Transformers", 2018, §3.
/// </remarks>
public sealed partial record BertConfig
{
    /// <summary>V: tokens.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>P: the longest text, special tokens included.</summary>
    public int Positions { get; init; } = 512;

    /// <summary>How tokens learn of their positions; BERT's are learned.</summary>
    public PositionKind PositionKind { get; init; } = PositionKind.Learned;

    /// <summary>Kinds of segments that a text may have.</summary>
    public int Segments { get; init; } = 2;

    /// <summary>L: layers.</summary>
    public int Layers { get; init; } = 12;

    /// <summary>H: attention heads; divide <see cref="Width"/>.</summary>
    public int Heads { get; init; } = 12;

    /// <summary>D: width of a token's vector.</summary>
    public int Width { get; init; } = 768;

    /// <summary>Width inside the feed-forward blocks; 0: four times the width.</summary>
    public int FeedForwardWidth { get; init; }

    /// <summary>Inside the feed-forward blocks and the head for masked tokens.</summary>
    public Activation Activation { get; init; } = Activation.Gelu;

    /// <summary>Probability that an element of the embeddings or of a sublayer's output is dropped
    /// in training, in [0, 1).</summary>
    public double Dropout { get; init; } = 0.1;

    /// <summary>ε of the layer normalisations.</summary>
    public double Epsilon { get; init; } = 1e-12;

    /// <summary>Token that fills texts up.</summary>
    public int PadId { get; init; }

    /// <summary>The presets by name: <c>bert-tiny</c>, <c>bert-mini</c>, <c>bert-small</c>,
    /// <c>bert-base</c> and <c>bert-large</c> with BERT's English vocabulary.</summary>
    /// <remarks>Turc et al.: "Well-Read Students Learn Better", 2019, §3 names the small ones.
    /// </remarks>
    public static IReadOnlyDictionary<string, BertConfig> Presets { get; } =
        new Dictionary<string, BertConfig>
        {
            ["bert-tiny"] = Sized(2, 2, 128),
            ["bert-mini"] = Sized(4, 4, 256),
            ["bert-small"] = Sized(4, 8, 512),
            ["bert-base"] = Sized(12, 12, 768),
            ["bert-large"] = Sized(24, 16, 1024),
        };

    /// <summary>The width inside the feed-forward blocks with the default filled in.</summary>
    public int Hidden => FeedForwardWidth == 0 ? 4 * Width : FeedForwardWidth;

    /// <summary>Finds a preset.</summary>
    /// <exception cref="ArgumentException">There is none of that name; the message lists them.
    /// </exception>
    public static BertConfig Preset(string name) =>
        Presets.TryGetValue(name, out BertConfig? config)
            ? config
            : throw new ArgumentException($"BertConfig: there is no preset '{name}'; expected " +
                $"one of {string.Join(", ", Presets.Keys)}.");

    /// <summary>Checks that the numbers make a model.</summary>
    /// <exception cref="ArgumentException">They do not; the message says which and why.</exception>
    public void Validate()
    {
        ConfigCheck check = new(nameof(BertConfig));
        check.Size("vocabulary", Vocabulary, ConfigCheck.MostTokens);
        check.Size("positions", Positions, ConfigCheck.MostPositions);
        check.Size("segments", Segments, ConfigCheck.MostSegments);
        check.Size("layers", Layers, ConfigCheck.MostLayers);
        check.Heads(Width, Heads);
        check.Size("feedForwardWidth", Hidden, 4 * ConfigCheck.MostWidth);
        if (PadId < 0 || PadId >= Vocabulary)
            check.Refuse("padId", PadId, $"0 to {Vocabulary - 1}", "It must be a token.");
        if (Activation is not (Activation.Gelu or Activation.GeluTanh or Activation.Relu
            or Activation.Silu))
        {
            throw new ArgumentException($"BertConfig: 'activation' is {Activation}; expected " +
                "Gelu, GeluTanh, Relu or Silu.");
        }

        PositionKinds.Require(nameof(BertConfig), PositionKind, Width, Heads);
        check.Dropout(Dropout);
        check.Epsilon(Epsilon, "1e-12");
    }

    private static BertConfig Sized(int layers, int heads, int width) => new()
    {
        Vocabulary = 30522,
        Layers = layers,
        Heads = heads,
        Width = width,
    };
}
