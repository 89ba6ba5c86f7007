using Transformer.Ops;

namespace Transformer.Layers;

/// <summary>
/// Multi-head attention with its projections, on spans: queries, keys and values are projected in
/// one product, attention reads them where they lie, and the heads are projected to the output.
/// </summary>
/// <remarks>
/// Vaswani et al. 2017, §3.2.2; grouped heads: Ainslie et al. 2023. For callers who have spans and
/// weights; the layer of the same name in <c>Transformer.Models.Layers</c> records itself into a
/// model graph instead.
/// Any number of threads may call one layer at once, each with output, cache and tape of its own;
/// do not write to the weights meanwhile. Scratch comes from
/// <see cref="Tensors.HostMemory"/> and goes back: in steady state nothing is allocated. On the CPU
/// results do not depend on the number of threads.
/// The layer lives on the garbage-collected heap and needs no disposal.
/// </remarks>
public sealed partial class MultiHeadAttention
{
    private const string Name = nameof(MultiHeadAttention);

    private readonly AlignedFloats projectionWeight, projectionBias, outputWeight, outputBias;
    private readonly float[] cosines = [], sines = [], slopes = [];
    private readonly int queryWidth, keyWidth, packedWidth;

    /// <summary>Makes a layer whose weights are zero.</summary>
    /// <param name="options">Sizes and position terms.</param>
    /// <exception cref="ArgumentException">Sizes that do not fit each other, or weights of more
    /// elements than an array can hold.</exception>
    public MultiHeadAttention(MultiHeadAttentionOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Options = options.Checked();
        long query = (long)Options.Heads * Options.HeadDimension;
        long key = (long)Options.KeyValueHeads * Options.HeadDimension;
        projectionWeight = Allocate("projections", OpCheck.Count(query, Options.Width),
            OpCheck.Count(2 * key, Options.MemoryWidth));
        outputWeight = Allocate("output projection", OpCheck.Count(query, Options.Width), 0);
        (queryWidth, keyWidth, packedWidth) = ((int)query, (int)key, (int)(query + (2 * key)));
        if (Options.Bias)
        {
            projectionBias = new(packedWidth);
            outputBias = new(Options.Width);
        }

        if (Options.Rotary is { } rotary)
        {
            int count = rotary.MaxPositions * (rotary.Dimension / 2);
            (cosines, sines) = (new float[count], new float[count]);
            RotaryTable.Fill(
                cosines, sines, rotary.MaxPositions, rotary.Dimension, rotary.Theta);
        }

        if (!Options.Alibi) return;
        slopes = new float[Options.Heads];
        AlibiSlopes.Fill(slopes);
    }

    /// <summary>Sizes and position terms, defaults filled in.</summary>
    public MultiHeadAttentionOptions Options { get; }

    /// <summary>Weights of queries, keys and values, in this order: [(Hq + 2·Hkv)·D, W]; where the
    /// memory has another width, [Hq·D, W] and behind it [2·Hkv·D, M].</summary>
    public Span<float> ProjectionWeight => projectionWeight.Span;

    /// <summary>[(Hq + 2·Hkv)·D]; empty without biases.</summary>
    public Span<float> ProjectionBias => projectionBias.Span;

    /// <summary>[W, Hq·D].</summary>
    public Span<float> OutputWeight => outputWeight.Span;

    /// <summary>[W]; empty without biases.</summary>
    public Span<float> OutputBias => outputBias.Span;

    private Span<float> QueryWeight => ProjectionWeight[..(queryWidth * Options.Width)];

    private Span<float> MemoryWeight => ProjectionWeight[(queryWidth * Options.Width)..];

    private RotaryTableSpans Rotary => Options.Rotary is not { } rotary ? default : new()
    {
        Cosines = cosines,
        Sines = sines,
        MaxPositions = rotary.MaxPositions,
        RotaryDimension = rotary.Dimension,
        Interleaved = rotary.Interleaved,
    };

    /// <summary>Copies weights from separate matrices.</summary>
    /// <param name="weights">Matrices and biases.</param>
    /// <exception cref="ArgumentException">A matrix or bias does not fit the layer, or the layer
    /// has no biases and one is given; the layer is as it was.</exception>
    public void Load(in MultiHeadAttentionWeights weights)
    {
        int width = Options.Width, memory = Options.MemoryWidth;
        Require("query", weights.Query.Length, queryWidth, width);
        Require("key", weights.Key.Length, keyWidth, memory);
        Require("value", weights.Value.Length, keyWidth, memory);
        Require("output", weights.Output.Length, width, queryWidth);
        RequireBias("queryBias", weights.QueryBias.Length, queryWidth);
        RequireBias("keyBias", weights.KeyBias.Length, keyWidth);
        RequireBias("valueBias", weights.ValueBias.Length, keyWidth);
        RequireBias("outputBias", weights.OutputBias.Length, width);
        weights.Query.CopyTo(QueryWeight);
        weights.Key.CopyTo(MemoryWeight);
        weights.Value.CopyTo(MemoryWeight[(keyWidth * memory)..]);
        weights.Output.CopyTo(OutputWeight);
        ProjectionBias.Clear();
        OutputBias.Clear();
        weights.QueryBias.CopyTo(ProjectionBias);
        if (!Options.Bias) return;
        weights.KeyBias.CopyTo(ProjectionBias[queryWidth..]);
        weights.ValueBias.CopyTo(ProjectionBias[(queryWidth + keyWidth)..]);
        weights.OutputBias.CopyTo(OutputBias);
    }

    /// <summary>Copies the weights of a torch.nn.MultiheadAttention without <c>kdim</c> and
    /// <c>vdim</c>; one with them has separate matrices: see <see cref="Load"/>.</summary>
    /// <param name="inProjectionWeight">in_proj_weight, [3·W, W]: query, key, value.</param>
    /// <param name="inProjectionBias">in_proj_bias, [3·W]; empty: zeros.</param>
    /// <param name="outputWeight">out_proj.weight, [W, W].</param>
    /// <param name="outputBias">out_proj.bias, [W]; empty: zeros.</param>
    /// <exception cref="ArgumentException">A matrix or bias does not fit the layer, the layer has
    /// no biases and one is given, or it has grouped heads, a memory width, or heads that do not
    /// make up its width; the layer is as it was.</exception>
    public void LoadPyTorch(
        ReadOnlySpan<float> inProjectionWeight, ReadOnlySpan<float> inProjectionBias,
        ReadOnlySpan<float> outputWeight, ReadOnlySpan<float> outputBias)
    {
        int width = Options.Width;
        if (queryWidth != width || keyWidth != width || Options.MemoryWidth != width)
        {
            OpCheck.Throw(Name, "PyTorch's 'in_proj_weight' is [3·Width, Width]; this layer's " +
                $"projections are [{queryWidth}, {width}] and twice [{keyWidth}, " +
                $"{Options.MemoryWidth}]. Use Load with separate matrices.");
        }

        Require("inProjectionWeight", inProjectionWeight.Length, 3 * width, width);
        Require("outputWeight", outputWeight.Length, width, width);
        RequireBias("inProjectionBias", inProjectionBias.Length, 3 * width);
        RequireBias("outputBias", outputBias.Length, width);
        inProjectionWeight.CopyTo(ProjectionWeight);
        outputWeight.CopyTo(OutputWeight);
        ProjectionBias.Clear();
        OutputBias.Clear();
        inProjectionBias.CopyTo(ProjectionBias);
        outputBias.CopyTo(OutputBias);
    }

    private static AlignedFloats Allocate(string what, long first, long second)
    {
        int most = Array.MaxLength - 64;
        if (first <= most && second <= most - first) return new((int)(first + second));
        OpCheck.Throw(Name, $"the {what} have more than {most} weights. Use a smaller width or " +
            "fewer heads.");
        return default;
    }

    private static void Require(string argument, int length, int rows, int columns)
    {
        if (length == OpCheck.Count(rows, columns)) return;
        OpCheck.Throw(Name, $"'{argument}' has {length} elements; expected " +
            $"{OpCheck.Count(rows, columns)} for [{rows}, {columns}]. Pass the weights of a " +
            "layer of these sizes, [output features, input features].");
    }

    private void RequireBias(string argument, int length, int expected)
    {
        if (length == 0 || (Options.Bias && length == expected)) return;
        if (!Options.Bias)
        {
            OpCheck.Throw(Name, $"'{argument}' has {length} elements; this layer has no biases. " +
                "Set 'Bias' in its options, or leave the bias out.");
        }

        OpCheck.Throw(Name, $"'{argument}' has {length} elements; expected {expected}, or none " +
            "for zeros. Pass the bias of a layer of these sizes.");
    }
}
