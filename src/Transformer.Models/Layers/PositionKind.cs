namespace Transformer.Models.Layers;

/// <summary>How a model marks positions.</summary>
public enum PositionKind
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>A constant table of sines and cosines, added to the tokens' vectors.</summary>
    /// <remarks>Vaswani et al. 2017, §3.5.</remarks>
    Sinusoidal,

    /// <summary>A table that is learned, added to the tokens' vectors.</summary>
    /// <remarks>Gehring et al.: "Convolutional Sequence to Sequence Learning", 2017, §3.1.
    /// </remarks>
    Learned,

    /// <summary>Queries and keys of self-attention are rotated by angles that grow with the
    /// position.</summary>
    /// <remarks>Su et al.: "RoFormer", 2021, §3.2.</remarks>
    Rotary,

    /// <summary>Scores of self-attention fall with the distance, by a slope of each head.
    /// </summary>
    /// <remarks>Press, Smith, Lewis: "Train Short, Test Long", 2022, §3.</remarks>
    Alibi,

    /// <summary>Scores of self-attention get a learned value for the bucket that the distance
    /// falls in; one table for the layers of a stack.</summary>
    /// <remarks>Raffel et al.: T5, 2020, §2.1.</remarks>
    Relative,
}
