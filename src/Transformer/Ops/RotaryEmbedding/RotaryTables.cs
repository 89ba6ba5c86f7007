using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Cosines and sines of a rotary embedding, as buffers, and how heads are laid out.
/// </summary>
public readonly record struct RotaryTables
{
    /// <summary>[<see cref="MaxPositions"/>, R/2]; gathered: [B, S, R/2].</summary>
    public BufferView Cosines { get; init; }

    /// <summary>As <see cref="Cosines"/>.</summary>
    public BufferView Sines { get; init; }

    /// <summary>Positions that the tables hold; 0: they are gathered, one row a token.</summary>
    public int MaxPositions { get; init; }

    /// <summary>R: leading elements of a head that are rotated, even; 0 means all D. The others
    /// pass through.</summary>
    public int RotaryDimension { get; init; }

    /// <summary>True: pairs are neighbours (0, 1), (2, 3), …; false: halves (0, R/2),
    /// (1, R/2 + 1), ….</summary>
    public bool Interleaved { get; init; }

    /// <summary>True where tables were given.</summary>
    public bool IsPresent => Cosines.IsPresent || Sines.IsPresent;

    /// <summary>R with the default filled in.</summary>
    /// <param name="headDimension">D.</param>
    public int EffectiveRotaryDimension(int headDimension) =>
        RotaryDimension == 0 ? headDimension : RotaryDimension;

    internal void Validate(string op, int headDimension, long rows)
    {
        int rotary = EffectiveRotaryDimension(headDimension);
        if (rotary < 2 || rotary % 2 != 0 || rotary > headDimension)
        {
            OpCheck.Throw(op, $"'RotaryDimension' is {rotary}; expected an even number from 2 to " +
                $"HeadDimension {headDimension}. Use 0 for the whole of an even head.");
        }

        OpCheck.Floats(op, "cosines", Cosines, OpCheck.Count(rows, rotary / 2),
            $"[{rows}, {rotary / 2}]");
        OpCheck.Floats(op, "sines", Sines, OpCheck.Count(rows, rotary / 2),
            $"[{rows}, {rotary / 2}]");
    }
}

/// <summary>The same as spans.</summary>
public readonly ref struct RotaryTableSpans
{
    /// <summary>[<see cref="MaxPositions"/>, R/2]; gathered: [B, S, R/2].</summary>
    public ReadOnlySpan<float> Cosines { get; init; }

    /// <summary>As <see cref="Cosines"/>.</summary>
    public ReadOnlySpan<float> Sines { get; init; }

    /// <summary>Positions that the tables hold; 0: they are gathered, one row a token.</summary>
    public int MaxPositions { get; init; }

    /// <summary>R: leading elements of a head that are rotated, even; 0 means all D. The others
    /// pass through.</summary>
    public int RotaryDimension { get; init; }

    /// <summary>True: pairs are neighbours (0, 1), (2, 3), …; false: halves (0, R/2),
    /// (1, R/2 + 1), ….</summary>
    public bool Interleaved { get; init; }

    /// <summary>The tables as buffers; the spans must be pinned.</summary>
    internal unsafe RotaryTables At(float* cosines, float* sines) => new()
    {
        Cosines = BufferView.Of(cosines, Cosines.Length),
        Sines = BufferView.Of(sines, Sines.Length),
        MaxPositions = MaxPositions,
        RotaryDimension = RotaryDimension,
        Interleaved = Interleaved,
    };
}
