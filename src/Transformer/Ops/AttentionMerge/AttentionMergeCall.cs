using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// Joins attention over parts of the keys: with L = log Σ exp(Lᵢ), output = Σ exp(Lᵢ − L)·outputᵢ.
/// </summary>
/// <remarks>What splitting keys over workers, or sharing a prefix among sequences, needs
/// afterwards. A part that saw no key has Lᵢ = −∞ and takes no part; where none saw one, output is
/// 0 and L is −∞. Milakov, Gimelshein 2018; Ye et al. 2025 (FlashInfer), whose L is to base 2:
/// multiply it by ln 2 first. Where heads have sinks, give them to one part only.</remarks>
public readonly record struct AttentionMergeForward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "AttentionMerge";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>[Parts, Rows, Dimension], each part's normalised output.</summary>
    public BufferView Outputs { get; init; }

    /// <summary>[Parts, Rows], each part's natural log-sum-exp.</summary>
    public BufferView LogSumExps { get; init; }

    /// <summary>[Rows, Dimension]; may be the first part of <see cref="Outputs"/>.</summary>
    public BufferView Output { get; init; }

    /// <summary>[Rows]; optional; may be the first part of <see cref="LogSumExps"/>.</summary>
    public BufferView LogSumExp { get; init; }

    /// <summary>Parts of the keys.</summary>
    public int Parts { get; init; }

    /// <summary>Rows: sequences · heads · queries.</summary>
    public long Rows { get; init; }

    /// <summary>Dv: width of a row.</summary>
    public int Dimension { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        OpCheck.Positive(Op, nameof(Parts), Parts,
            "Pass the number of partial results; without any there is nothing to merge.");
        OpCheck.NotNegative(Op, nameof(Rows), Rows);
        OpCheck.Positive(Op, nameof(Dimension), Dimension);
        OpCheck.Floats(Op, "outputs", Outputs, OpCheck.Count(Parts, Rows, Dimension),
            $"[{Parts}, {Rows}, {Dimension}]");
        OpCheck.Floats(
            Op, "logSumExps", LogSumExps, OpCheck.Count(Parts, Rows), $"[{Parts}, {Rows}]");
        OpCheck.Floats(
            Op, "output", Output, OpCheck.Count(Rows, Dimension), $"[{Rows}, {Dimension}]");
        OpCheck.FloatsOrAbsent(Op, "logSumExp", LogSumExp, Rows, $"[{Rows}]");
        OpCheck.NoOverlap(Op, "output", Output, "outputs", Outputs, inPlaceAllowed: true);
        OpCheck.NoOverlap(Op, "logSumExp", LogSumExp, "logSumExps", LogSumExps,
            inPlaceAllowed: true);
        OpCheck.Apart(Op, [("output", Output)],
            [("logSumExps", LogSumExps), ("logSumExp", LogSumExp)]);
        OpCheck.Apart(Op, [("logSumExp", LogSumExp)], [("outputs", Outputs)]);
    }
}
