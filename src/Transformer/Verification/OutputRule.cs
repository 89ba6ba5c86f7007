namespace Transformer.Verification;

/// <summary>How one output of a case is compared; <c>default</c> is the case's tolerance.</summary>
public readonly record struct OutputRule
{
    /// <summary>Root mean square below which the error counts absolutely: what the output would
    /// be of, had its terms not cancelled. 0 means 0.01 (outputs of the cases are of order 1).
    /// </summary>
    public double Floor { get; init; }

    /// <summary>Indices whose expected value is 0 by definition (hidden, dropped, ignored): there
    /// the result must be exactly 0.</summary>
    public Func<long, bool>? ExactZero { get; init; }

    /// <summary>Indices that nobody may write: between rows, in rows that no sequence has.
    /// </summary>
    public Func<long, bool>? IsGap { get; init; }

    /// <summary>Stored in binary32 even where the case's tensors have 16 bits: a statistic.
    /// </summary>
    public bool Statistic { get; init; }

    internal double EffectiveFloor => Floor == 0 ? 0.01 : Floor;
}
