using Transformer.Models.Graph;

namespace Transformer.Models.Layers;

/// <summary>Configuration of <see cref="Embeddings"/>.</summary>
public sealed record EmbeddingsOptions
{
    /// <summary>Rows of the token table.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>D: width of a vector.</summary>
    public required int Width { get; init; }

    /// <summary>How positions are marked; those kinds that self-attention sees add nothing here.
    /// </summary>
    public PositionKind Positions { get; init; } = PositionKind.Sinusoidal;

    /// <summary>Whether sinusoids stand as all sines, then all cosines, in place of pairs.
    /// </summary>
    public bool HalvedSinusoids { get; init; }

    /// <summary>Rows of the position table: the longest sequence.</summary>
    public int MaxPositions { get; init; }

    /// <summary>Rows of the segment table; 0: none.</summary>
    public int Segments { get; init; }

    /// <summary>Whether token vectors are multiplied by √D (Vaswani et al. 2017, §3.4).</summary>
    public bool ScaleByRootWidth { get; init; } = true;

    /// <summary>Probability of dropping an element of the sum, when training.</summary>
    public double Dropout { get; init; }

    /// <summary>Standard deviation of the first values; 0 means 1/√D.</summary>
    public double InitialDeviation { get; init; }
}

/// <summary>Token, position and optional segment vectors, then dropout.</summary>
public sealed class Embeddings
{
    private readonly string name;
    private readonly EmbeddingsOptions options;

    /// <summary>Declares NAME.tokens.weight, NAME.positions.weight (learned or constant) and
    /// NAME.segments.weight.</summary>
    /// <param name="parameters">The model's parameters.</param>
    /// <param name="name">Prefix of the parameters' names.</param>
    /// <param name="options">Sizes and choices.</param>
    /// <param name="tokens">A table to share with another layer; null: an own one.</param>
    /// <exception cref="ArgumentException">A size does not fit.</exception>
    public Embeddings(
        ParameterSet parameters, string name, EmbeddingsOptions options, Parameter? tokens = null)
    {
        this.name = name;
        this.options = options;
        int width = options.Width;
        Initializer normal = Initializer.Normal(options.InitialDeviation > 0
            ? options.InitialDeviation : 1 / Math.Sqrt(width));
        Tokens = tokens ?? parameters.Declare(
            $"{name}.tokens.weight", new(options.Vocabulary, width), normal);
        if (options.Positions is PositionKind.Sinusoidal or PositionKind.Learned)
        {
            bool learned = options.Positions == PositionKind.Learned;
            Positions = parameters.Declare(
                $"{name}.positions.weight", new(options.MaxPositions, width),
                learned ? normal : Initializer.Constant(
                    PositionalEncoding.Sinusoidal(
                        options.MaxPositions, width, options.HalvedSinusoids)),
                decay: false, trainable: learned);
        }

        if (options.Segments > 0)
        {
            SegmentTable = parameters.Declare(
                $"{name}.segments.weight", new(options.Segments, width), normal, decay: false);
        }
    }

    /// <summary>[vocabulary, D].</summary>
    public Parameter Tokens { get; }

    /// <summary>[positions, D]; null: none.</summary>
    public Parameter? Positions { get; }

    /// <summary>[segments, D]; null: none.</summary>
    public Parameter? SegmentTable { get; }

    /// <summary>Looks up and sums the vectors.</summary>
    /// <param name="g">The graph.</param>
    /// <param name="ids">[B, S] Int32.</param>
    /// <param name="positionIds">[B, S] Int32; null: 0, 1, 2, …. Not read without a table.</param>
    /// <param name="segmentIds">[B, S] Int32; present exactly where segments are.</param>
    /// <returns>[B, S, D].</returns>
    /// <exception cref="ArgumentException">Types or shapes do not fit.</exception>
    public GraphTensor Apply(
        GraphBuilder g, GraphTensor ids, GraphTensor? positionIds = null,
        GraphTensor? segmentIds = null)
    {
        if (Positions is null) positionIds = null;
        double scale = options.ScaleByRootWidth ? Math.Sqrt(options.Width) : 1;
        GraphTensor sum = g.Embedding(
            ids, Tokens, Positions, positionIds, SegmentTable, segmentIds, scale, name);
        return g.Dropout(sum, options.Dropout, $"{name}.dropout");
    }
}
