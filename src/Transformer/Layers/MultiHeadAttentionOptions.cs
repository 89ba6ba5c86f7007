using Transformer.Ops;

namespace Transformer.Layers;

/// <summary>Sizes and position terms of a <see cref="MultiHeadAttention"/> layer.</summary>
/// <remarks>What may differ from call to call (causal alignment, window, soft cap, dropout) is in
/// <see cref="AttentionOptions"/>.</remarks>
public sealed record MultiHeadAttentionOptions
{
    /// <summary>W: width of input and output.</summary>
    public required int Width { get; init; }

    /// <summary>Hq: query heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Hkv: heads of keys and values, of which Hq is a multiple; 0 means Hq.</summary>
    public int KeyValueHeads { get; init; }

    /// <summary>D: width of a head; 0 means W / Hq.</summary>
    public int HeadDimension { get; init; }

    /// <summary>M: width of the memory that cross-attention reads; 0 means W.</summary>
    public int MemoryWidth { get; init; }

    /// <summary>Whether the four projections have biases.</summary>
    public bool Bias { get; init; } = true;

    /// <summary>Rotation of queries and keys by their position; null for none.</summary>
    public RotaryOptions? Rotary { get; init; }

    /// <summary>True: scores get ALiBi's penalty for distance, with the slopes of
    /// <see cref="AlibiSlopes.Fill"/>.</summary>
    public bool Alibi { get; init; }

    /// <summary>The same with defaults filled in.</summary>
    /// <exception cref="ArgumentException">Sizes that do not fit each other.</exception>
    internal MultiHeadAttentionOptions Checked()
    {
        const string layer = nameof(MultiHeadAttention);
        OpCheck.Positive(layer, nameof(Width), Width);
        OpCheck.Positive(layer, nameof(Heads), Heads);
        OpCheck.NotNegative(layer, nameof(KeyValueHeads), KeyValueHeads);
        OpCheck.NotNegative(layer, nameof(HeadDimension), HeadDimension);
        OpCheck.NotNegative(layer, nameof(MemoryWidth), MemoryWidth);
        if (HeadDimension == 0 && Width % Heads != 0)
        {
            OpCheck.Throw(layer, $"'Width' is {Width}, which is not a multiple of 'Heads' " +
                $"{Heads}. Choose a divisor, or set 'HeadDimension'.");
        }

        if (KeyValueHeads > 0 && Heads % KeyValueHeads != 0)
        {
            OpCheck.Throw(layer, $"'Heads' is {Heads}, which is not a multiple of " +
                $"'KeyValueHeads' {KeyValueHeads}. Choose a divisor, or 0 for as many.");
        }

        int dimension = HeadDimension > 0 ? HeadDimension : Width / Heads;
        return this with
        {
            KeyValueHeads = KeyValueHeads > 0 ? KeyValueHeads : Heads,
            HeadDimension = dimension,
            MemoryWidth = MemoryWidth > 0 ? MemoryWidth : Width,
            Rotary = Rotary?.Checked(dimension),
        };
    }
}

/// <summary>Rotary position embedding of a layer's queries and keys.</summary>
public sealed record RotaryOptions
{
    /// <summary>Positions 0, 1, … that the layer's tables hold.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>R: leading elements of a head that are rotated, even; 0 means all D.</summary>
    public int Dimension { get; init; }

    /// <summary>θ: base of the frequencies.</summary>
    public double Theta { get; init; } = RotaryTable.DefaultTheta;

    /// <summary>True: pairs are neighbours (0, 1), (2, 3), …; false: halves (0, R/2),
    /// (1, R/2 + 1), ….</summary>
    public bool Interleaved { get; init; }

    internal RotaryOptions Checked(int headDimension)
    {
        const string layer = nameof(MultiHeadAttention);
        int dimension = Dimension == 0 ? headDimension : Dimension;
        OpCheck.Positive(layer, "Rotary.MaxPositions", MaxPositions);
        if (dimension < 2 || dimension % 2 != 0 || dimension > headDimension)
        {
            OpCheck.Throw(layer, $"'Rotary.Dimension' is {dimension}; expected an even number " +
                $"from 2 to HeadDimension {headDimension}. Use 0 for the whole of an even head.");
        }

        if ((long)MaxPositions * (dimension / 2) > Array.MaxLength)
        {
            OpCheck.Throw(layer, $"'Rotary.MaxPositions' is {MaxPositions}; expected at most " +
                $"{Array.MaxLength / (dimension / 2)} for {dimension} rotated elements. Use as " +
                "many as the longest sequence has.");
        }

        OpCheck.InRange(layer, "Rotary.Theta", Theta, double.Epsilon, double.MaxValue);
        return this with { Dimension = dimension };
    }
}
