using Transformer.Models.Graph;

namespace Transformer.Models.Training;

/// <summary>The inputs of one run of pre-training, of a fixed shape.</summary>
public sealed class BertBatch
{
    /// <summary>Makes room.</summary>
    /// <param name="rows">B.</param>
    /// <param name="length">T.</param>
    /// <param name="masked">M.</param>
    public BertBatch(int rows, int length, int masked)
    {
        (Rows, Length, Masked) = (rows, length, masked);
        Ids = new int[rows * length];
        Segments = new int[rows * length];
        Lengths = new int[rows];
        MaskedRows = new int[rows * masked];
        Labels = new int[rows * masked];
        NextLabels = new int[rows];
    }

    /// <summary>B: texts.</summary>
    public int Rows { get; }

    /// <summary>T: tokens of a text, padding included.</summary>
    public int Length { get; }

    /// <summary>M: places of a text for tokens to guess.</summary>
    public int Masked { get; }

    /// <summary>[CLS] A [SEP] B [SEP] and padding, masked, [B, T].</summary>
    public int[] Ids { get; }

    /// <summary>0 up to A's separator, 1 for B and its own, 0 for padding, [B, T].</summary>
    public int[] Segments { get; }

    /// <summary>Tokens that are no padding [B].</summary>
    public int[] Lengths { get; }

    /// <summary>The rows of the B·T that are guessed [B, M].</summary>
    public int[] MaskedRows { get; }

    /// <summary>What stood there, <see cref="Batch.IgnoredLabel"/> in places that are free [B, M].
    /// </summary>
    public int[] Labels { get; }

    /// <summary>0: B follows A; 1: it comes from elsewhere [B].</summary>
    public int[] NextLabels { get; }

    /// <summary>Hands the inputs to a graph of this shape.</summary>
    internal void Feed(CompiledGraph graph)
    {
        graph.Feed<int>("ids", Ids);
        graph.Feed<int>("segments", Segments);
        graph.Feed<int>("lengths", Lengths);
        graph.Feed<int>("maskedRows", MaskedRows);
        graph.Feed<int>("labels", Labels);
        graph.Feed<int>("nextLabels", NextLabels);
    }
}
