using Transformer.Models.Layers;

namespace Transformer.Models;

/// <summary>Shape of a decoder-only Transformer; stored as config.json beside its weights, in
/// Hugging Face's form for GPT-2.</summary>
/// <remarks>Radford et al.: "Language Models are Unsupervised Multitask Learners", 2019, table 2.
/// </remarks>
public sealed partial record GptConfig
{
    /// <summary>V: tokens.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>P: the most tokens that the model sees at once.</summary>
    public int Positions { get; init; } = 1024;

    /// <summary>How tokens learn of their positions; GPT-2's are learned. With the others
    /// <see cref="Positions"/> may be larger than the texts that the model is trained on.</summary>
    public PositionKind PositionKind { get; init; } = PositionKind.Learned;

    /// <summary>L: layers.</summary>
    public int Layers { get; init; } = 12;

    /// <summary>H: attention heads; divide <see cref="Width"/>.</summary>
    public int Heads { get; init; } = 12;

    /// <summary>D: width of a token's vector; the feed-forward is four times as wide.</summary>
    public int Width { get; init; } = 768;

    /// <summary>Probability that an element of the embeddings or of a sublayer's output is dropped
    /// in training, in [0, 1).</summary>
    public double Dropout { get; init; }

    /// <summary>ε of the layer normalisations.</summary>
    public double Epsilon { get; init; } = 1e-5;

    /// <summary>The presets by name: <c>gpt2</c>, <c>gpt2-medium</c>, <c>gpt2-large</c>,
    /// <c>gpt2-xl</c> with GPT-2's vocabulary, <c>nanogpt-cpu</c> with one of 65 letters.
    /// </summary>
    /// <remarks>nanogpt-cpu: 4 layers of width 128 that learn a megabyte of text by letters in
    /// minutes on two cores.</remarks>
    public static IReadOnlyDictionary<string, GptConfig> Presets { get; } =
        new Dictionary<string, GptConfig>
        {
            ["nanogpt-cpu"] = new()
            {
                Vocabulary = 65,
                Positions = 64,
                Layers = 4,
                Heads = 4,
                Width = 128,
            },
            ["gpt2"] = Gpt2(12, 12, 768),
            ["gpt2-medium"] = Gpt2(24, 16, 1024),
            ["gpt2-large"] = Gpt2(36, 20, 1280),
            ["gpt2-xl"] = Gpt2(48, 25, 1600),
        };

    /// <summary>Finds a preset.</summary>
    /// <exception cref="ArgumentException">There is none of that name; the message lists them.
    /// </exception>
    public static GptConfig Preset(string name) => Presets.TryGetValue(name, out GptConfig? config)
        ? config
        : throw new ArgumentException($"GptConfig: there is no preset '{name}'; expected one of " +
            $"{string.Join(", ", Presets.Keys)}.");

    /// <summary>Checks that the numbers make a model.</summary>
    /// <exception cref="ArgumentException">They do not; the message says which and why.</exception>
    public void Validate()
    {
        ConfigCheck check = new(nameof(GptConfig));
        check.Size("vocabulary", Vocabulary, ConfigCheck.MostTokens);
        check.Size("positions", Positions, ConfigCheck.MostPositions);
        check.Size("layers", Layers, ConfigCheck.MostLayers);
        check.Heads(Width, Heads);
        PositionKinds.Require(nameof(GptConfig), PositionKind, Width, Heads);
        check.Dropout(Dropout);
        check.Epsilon(Epsilon, "1e-5");
    }

    /// <summary>Multiplications and additions of a forward pass that gives logits at every
    /// position, in matrix products and attention; causal attention counts what it needs.
    /// </summary>
    internal double ForwardOperations(int batch, int length)
    {
        double tokens = (double)batch * length;
        double products = ((12.0 * Layers * Width) + Vocabulary) * Width;
        double attention = (double)Layers * Width * (length + 1);
        return 2 * tokens * (products + attention);
    }

    private static GptConfig Gpt2(int layers, int heads, int width) => new()
    {
        Vocabulary = 50257,
        Layers = layers,
        Heads = heads,
        Width = width,
    };
}
