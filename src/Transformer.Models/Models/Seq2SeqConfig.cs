using Transformer.Models.Layers;
using Transformer.Ops;

namespace Transformer.Models;

/// <summary>Shape of an encoder–decoder Transformer; stored as config.json beside its weights.
/// </summary>
public sealed partial record Seq2SeqConfig
{
    /// <summary>Tokens of the source vocabulary.</summary>
    public required int SourceVocabulary { get; init; }

    /// <summary>Tokens of the target vocabulary.</summary>
    public required int TargetVocabulary { get; init; }

    /// <summary>Layers of the encoder.</summary>
    public int EncoderLayers { get; init; } = 2;

    /// <summary>Layers of the decoder.</summary>
    public int DecoderLayers { get; init; } = 2;

    /// <summary>d: width of a token's vector.</summary>
    public int Width { get; init; } = 128;

    /// <summary>Attention heads; divide <see cref="Width"/>.</summary>
    public int Heads { get; init; } = 4;

    /// <summary>Width inside the feed-forward blocks.</summary>
    public int FeedForwardWidth { get; init; } = 512;

    /// <summary>Longest source, and longest target with its begin token, in tokens.</summary>
    public int MaxPositions { get; init; } = 128;

    /// <summary>Probability that an element is dropped in training, in [0, 1).</summary>
    public double Dropout { get; init; } = 0.1;

    /// <summary>Where the layer normalisations stand.</summary>
    public NormPlacement Norm { get; init; } = NormPlacement.Pre;

    /// <summary>How tokens learn of their positions.</summary>
    public PositionKind Positions { get; init; } = PositionKind.Sinusoidal;

    /// <summary>Whether sinusoids stand as all sines, then all cosines, as Marian has them, in
    /// place of pairs.</summary>
    public bool HalvedSinusoids { get; init; }

    /// <summary>Between the two layers of a feed-forward block.</summary>
    public Activation Activation { get; init; } = Activation.Relu;

    /// <summary>One table for source, target and output projection; needs one vocabulary.
    /// </summary>
    public bool TieEmbeddings { get; init; }

    /// <summary>The target table is the output projection, too.</summary>
    public bool TieOutput { get; init; } = true;

    /// <summary>Whether the output projection has a bias.</summary>
    public bool OutputBias { get; init; }

    /// <summary>Token that fills rows up; never generated.</summary>
    public int PadId { get; init; }

    /// <summary>Token of unknown words.</summary>
    public int UnknownId { get; init; } = 1;

    /// <summary>Token that opens the decoder's input, or <see cref="PadId"/>; never generated.
    /// </summary>
    public int BosId { get; init; } = 2;

    /// <summary>Token that ends a sentence.</summary>
    public int EosId { get; init; } = 3;

    /// <summary>Whether the output projection is the target table.</summary>
    public bool SharesOutput => TieEmbeddings || TieOutput;

    /// <summary>
    /// Whether token vectors are multiplied by √d: where the table is also the output projection,
    /// or is added to sinusoids, which have norm √(d/2).
    /// </summary>
    /// <remarks>Vaswani et al. 2017, §3.4.</remarks>
    public bool ScalesEmbeddings => SharesOutput || Positions == PositionKind.Sinusoidal;

    /// <summary>2 + 2 layers of width 128: learns a small corpus in a minute on two cores.
    /// </summary>
    public static Seq2SeqConfig Tiny(int sourceVocabulary, int targetVocabulary) => new()
    {
        SourceVocabulary = sourceVocabulary,
        TargetVocabulary = targetVocabulary,
    };

    /// <summary>4 + 4 layers of width 256: tens of thousands of sentence pairs.</summary>
    public static Seq2SeqConfig Small(int sourceVocabulary, int targetVocabulary) => new()
    {
        SourceVocabulary = sourceVocabulary,
        TargetVocabulary = targetVocabulary,
        EncoderLayers = 4,
        DecoderLayers = 4,
        Width = 256,
        Heads = 8,
        FeedForwardWidth = 1024,
        MaxPositions = 256,
    };

    /// <summary>The base model of "Attention Is All You Need".</summary>
    /// <remarks>Vaswani et al. 2017, table 3: N = 6, d = 512, 8 heads, feed-forward 2048, dropout
    /// 0.1; post-norm, sinusoids; all embeddings are one table where the vocabularies are one.
    /// </remarks>
    public static Seq2SeqConfig Base(int sourceVocabulary, int targetVocabulary) => new()
    {
        SourceVocabulary = sourceVocabulary,
        TargetVocabulary = targetVocabulary,
        EncoderLayers = 6,
        DecoderLayers = 6,
        Width = 512,
        Heads = 8,
        FeedForwardWidth = 2048,
        MaxPositions = 1024,
        Norm = NormPlacement.Post,
        TieEmbeddings = sourceVocabulary == targetVocabulary,
    };

    /// <summary>Checks that the numbers make a model.</summary>
    /// <exception cref="ArgumentException">They do not; the message says which and why.</exception>
    public void Validate()
    {
        ConfigCheck check = new(nameof(Seq2SeqConfig));
        check.Size("sourceVocabulary", SourceVocabulary, ConfigCheck.MostTokens);
        check.Size("targetVocabulary", TargetVocabulary, ConfigCheck.MostTokens);
        check.Size("encoderLayers", EncoderLayers, ConfigCheck.MostLayers);
        check.Size("decoderLayers", DecoderLayers, ConfigCheck.MostLayers);
        check.Heads(Width, Heads);
        check.Size("feedForwardWidth", FeedForwardWidth, 4 * ConfigCheck.MostWidth);
        check.Size("maxPositions", MaxPositions, ConfigCheck.MostPositions);
        PositionKinds.Require(nameof(Seq2SeqConfig), Positions, Width, Heads);
        check.Dropout(Dropout);
        if (TieEmbeddings && SourceVocabulary != TargetVocabulary)
        {
            check.Refuse("targetVocabulary", TargetVocabulary,
                $"the {SourceVocabulary} tokens of the source, since tieEmbeddings is set",
                "Use one joint vocabulary, or tieOutput alone.");
        }

        RequireDefined("norm", Norm);
        RequireDefined("activation", Activation);
        if (Positions == PositionKind.None)
        {
            throw new ArgumentException("Seq2SeqConfig: 'positions' is None; expected " +
                "Sinusoidal, Learned, Rotary, Alibi or Relative. Without positions word order " +
                "is lost.");
        }

        ValidateSpecialTokens(check);
    }

    private void ValidateSpecialTokens(ConfigCheck check)
    {
        (string Name, int Id)[] special =
            [("padId", PadId), ("unknownId", UnknownId), ("bosId", BosId), ("eosId", EosId)];
        int vocabulary = Math.Min(SourceVocabulary, TargetVocabulary);
        for (int i = 0; i < special.Length; i++)
        {
            (string name, int id) = special[i];
            if (id < 0 || id >= vocabulary)
            {
                check.Refuse(name, id, $"0 to {vocabulary - 1}",
                    "It must be a token of both vocabularies.");
            }

            int other = Array.FindIndex(special, s => s.Id == id);
            bool startsWithPad = name == "bosId" && id == PadId;
            if (other != i && !startsWithPad)
            {
                check.Refuse(name, id, $"another id than {special[other].Name}",
                    "The special tokens differ; only bosId may be padId.");
            }
        }
    }

    private static void RequireDefined<T>(string field, T value) where T : struct, Enum
    {
        if (!Enum.IsDefined(value))
        {
            throw new ArgumentException($"Seq2SeqConfig: '{field}' is {value:D}; expected one of " +
                $"{string.Join(", ", Enum.GetNames<T>())}.");
        }
    }
}
