using Transformer.Layers;
using Transformer.Models.Graph;
using Transformer.Ops;

namespace Transformer.Models.Layers;

/// <summary>How the self-attention of a stack's layers learns of positions: by rotation, by slopes
/// or by a table of distances, which all layers share.</summary>
public sealed class AttentionPositions
{
    // T5's.
    private const int Buckets = 32, MaximumDistance = 128;

    private readonly Parameter? cosines;
    private readonly Parameter? sines;
    private readonly Parameter? slopes;
    private readonly Parameter? bias;
    private readonly RelativePositionBuckets buckets;

    private AttentionPositions(
        ParameterSet parameters, string name, PositionKind kind, AttentionPositionSizes sizes)
    {
        switch (kind)
        {
            case PositionKind.Rotary:
                int half = sizes.HeadWidth / 2;
                float[] cos = new float[checked(sizes.MaxPositions * half)];
                float[] sin = new float[cos.Length];
                RotaryTable.Fill(cos, sin, sizes.MaxPositions, sizes.HeadWidth);
                cosines = Constant("cosines", new(sizes.MaxPositions, half), cos);
                sines = Constant("sines", new(sizes.MaxPositions, half), sin);
                break;
            case PositionKind.Alibi:
                float[] values = new float[sizes.Heads];
                AlibiSlopes.Fill(values);
                slopes = Constant("slopes", new(sizes.Heads), values);
                break;
            default:
                buckets = new(Buckets, MaximumDistance, sizes.Bidirectional);
                bias = parameters.Declare($"{name}.relativeBias", new(Buckets, sizes.Heads),
                    Initializer.Zeros, decay: false);
                break;
        }

        Parameter Constant(string part, Tensors.TensorShape shape, float[] contents) =>
            parameters.Declare($"{name}.{part}", shape, Initializer.Constant(contents),
                decay: false, trainable: false);
    }

    /// <summary>Whether queries and keys are rotated.</summary>
    public bool Rotates => cosines is not null;

    /// <summary>Declares NAME.cosines and NAME.sines, NAME.slopes or NAME.relativeBias.</summary>
    /// <param name="parameters">The model's parameters.</param>
    /// <param name="name">Prefix of the parameters' names.</param>
    /// <param name="kind">What is wanted.</param>
    /// <param name="sizes">Of the attention.</param>
    /// <returns>Null for kinds that are not the attention's.</returns>
    /// <exception cref="ArgumentException">Rotation of a head of odd width.</exception>
    public static AttentionPositions? Declare(
        ParameterSet parameters, string name, PositionKind kind, AttentionPositionSizes sizes) =>
        kind is PositionKind.Rotary or PositionKind.Alibi or PositionKind.Relative
            ? new(parameters, name, kind, sizes) : null;

    /// <summary>The options of an attention with slopes or table filled in.</summary>
    public AttentionNodeOptions AddTo(AttentionNodeOptions options) => options with
    {
        AlibiSlopes = slopes,
        RelativeBias = bias,
        RelativeBuckets = bias is null ? null : buckets,
    };

    /// <summary>Queries or keys rotated by their positions; themselves where nothing rotates.
    /// </summary>
    /// <param name="g">The graph.</param>
    /// <param name="x">[B, S, heads · D].</param>
    /// <param name="heads">Heads of x.</param>
    /// <param name="positionIds">[B, S] Int32; null: 0, 1, 2, ….</param>
    /// <param name="name">Name of the node, before ".rotated".</param>
    /// <returns>[B, S, heads · D].</returns>
    /// <exception cref="ArgumentException">More positions than the tables have, or types or shapes
    /// that do not fit.</exception>
    public GraphTensor Rotate(
        GraphBuilder g, GraphTensor x, int heads, GraphTensor? positionIds, string name) =>
        cosines is null ? x : g.Rotate(x, heads, cosines, sines!, positionIds, $"{name}.rotated");
}

/// <summary>What <see cref="AttentionPositions"/> depend on.</summary>
/// <param name="Heads">Hq: query heads.</param>
/// <param name="HeadWidth">D: width of a head.</param>
/// <param name="MaxPositions">The longest sequence.</param>
/// <param name="Bidirectional">Whether later positions are seen, too.</param>
public readonly record struct AttentionPositionSizes(
    int Heads, int HeadWidth, int MaxPositions, bool Bidirectional);
