using Transformer.Models.Graph;

namespace Transformer.Models.Training;

/// <summary>Sizes of a batch: what a graph is compiled for.</summary>
/// <param name="Rows">B: sentence pairs, blank ones included.</param>
/// <param name="SourceLength">S: padded length of the sources.</param>
/// <param name="TargetLength">T: padded length of decoder input and labels.</param>
public readonly record struct BatchShape(int Rows, int SourceLength, int TargetLength);

/// <summary>
/// The inputs of one teacher-forced run; <see cref="BucketBatcher"/> fills it again and again
/// without allocating once it has grown to the largest batch.
/// </summary>
public sealed class Batch
{
    /// <summary>The label of positions that do not count.</summary>
    public const int IgnoredLabel = -1;

    private int[] source = [];
    private int[] sourceLengths = [];
    private int[] target = [];
    private int[] labels = [];

    /// <summary>B, S and T.</summary>
    public BatchShape Shape { get; private set; }

    /// <summary>Source ids [B, S], padded at the end of each row.</summary>
    public Span<int> Source => source.AsSpan(0, Shape.Rows * Shape.SourceLength);

    /// <summary>Tokens of each source [B]; 1 for a blank row.</summary>
    public Span<int> SourceLengths => sourceLengths.AsSpan(0, Shape.Rows);

    /// <summary>Decoder input [B, T]: the begin token, the target, padding.</summary>
    public Span<int> Target => target.AsSpan(0, Shape.Rows * Shape.TargetLength);

    /// <summary>Labels [B, T]: the target, the end token, then <see cref="IgnoredLabel"/>.
    /// </summary>
    public Span<int> Labels => labels.AsSpan(0, Shape.Rows * Shape.TargetLength);

    /// <summary>Sentence pairs; the rows after them are blank and do not count.</summary>
    public int Sentences { get; internal set; }

    /// <summary>Source tokens that are no padding.</summary>
    public int SourceTokens { get; internal set; }

    /// <summary>Labels that count.</summary>
    public int TargetTokens { get; internal set; }

    internal void Resize(BatchShape shape)
    {
        Shape = shape;
        Grow(ref source, (long)shape.Rows * shape.SourceLength);
        Grow(ref sourceLengths, shape.Rows);
        Grow(ref target, (long)shape.Rows * shape.TargetLength);
        Grow(ref labels, (long)shape.Rows * shape.TargetLength);
    }

    /// <summary>Hands the inputs to a graph of this shape.</summary>
    internal void Feed(CompiledGraph graph)
    {
        graph.Feed<int>("source", Source);
        graph.Feed<int>("sourceLengths", SourceLengths);
        graph.Feed<int>("target", Target);
        graph.Feed<int>("labels", Labels);
    }

    /// <summary>The output "loss" of a graph that ran.</summary>
    internal static float FetchLoss(CompiledGraph graph)
    {
        Span<float> loss = stackalloc float[1];
        graph.Fetch("loss", loss);
        return loss[0];
    }

    private static void Grow(ref int[] array, long length)
    {
        if (array.Length < length) array = new int[checked((int)length)];
    }
}
