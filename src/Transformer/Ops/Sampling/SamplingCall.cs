using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// tokens[r] = the first token t at which the probabilities of the tokens from 0 to t exceed u: one
/// draw from softmax(logits[r, ·] / temperature) among the tokens that top-k and top-p leave.
/// </summary>
/// <remarks>
/// u is in [0, 1): word (seed, 0xFFFF0005, 0, first + r) of <see cref="Philox"/>, so that a draw
/// does not depend on the other rows. Top-p keeps the smallest set of the most likely tokens whose
/// probabilities, among those that top-k left, reach p. Of equal logits the lower token counts as
/// more likely. Temperature 0 takes the most likely token.
/// </remarks>
public readonly record struct SamplingForward : IOpCall
{
    private const uint Stream = 0xFFFF_0005;

    /// <inheritdoc/>
    public static string Op => "Sampling";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>[Rows, Vocabulary]; −∞ is never drawn.</summary>
    public BufferView Logits { get; init; }

    /// <summary>[Rows] Int32; −1 where a row holds NaN or +∞, or nothing but −∞.</summary>
    public BufferView Tokens { get; init; }

    /// <summary>Rows.</summary>
    public int Rows { get; init; }

    /// <summary>Logits of a row.</summary>
    public int Vocabulary { get; init; }

    /// <summary>Options.</summary>
    public DrawOptions Options { get; init; }

    /// <summary>The temperature that counts.</summary>
    public double EffectiveTemperature => Options.Temperature ?? 1;

    /// <summary>Tokens that top-k leaves, 1 to Vocabulary.</summary>
    public int EffectiveTopK =>
        Options.TopK == 0 ? Vocabulary : Math.Min(Options.TopK, Vocabulary);

    /// <summary>The share that top-p leaves, 1: all.</summary>
    public double EffectiveTopP => Options.TopP ?? 1;

    /// <summary>The number of one row, in [0, 1).</summary>
    internal float Unit(int row) =>
        Philox.ToUnit(Philox.Word(Options.Seed, Stream, 0, Options.First + (ulong)row));

    /// <inheritdoc/>
    public void Validate()
    {
        OpCheck.NotNegative(Op, nameof(Rows), Rows);
        OpCheck.Positive(Op, nameof(Vocabulary), Vocabulary);
        OpCheck.InRange(
            Op, nameof(DrawOptions.Temperature), EffectiveTemperature, 0, float.MaxValue);
        OpCheck.NotNegative(Op, nameof(DrawOptions.TopK), Options.TopK);
        OpCheck.InRange(Op, nameof(DrawOptions.TopP), EffectiveTopP, 0, 1);
        OpCheck.Floats(
            Op, "logits", Logits, OpCheck.Count(Rows, Vocabulary), $"[{Rows}, {Vocabulary}]");
        OpCheck.Exactly(Op, "tokens", Tokens, Rows, $"[{Rows}]");
        OpCheck.IsInt32(Op, "tokens", Tokens);
        OpCheck.Apart(Op, [("tokens", Tokens)], [("logits", Logits)]);
    }
}
