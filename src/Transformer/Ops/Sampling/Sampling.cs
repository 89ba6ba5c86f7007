using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Sizes of a draw.</summary>
/// <param name="Rows">Texts: one token is drawn for each.</param>
/// <param name="Vocabulary">Logits of a text.</param>
public readonly record struct SamplingSizes(int Rows, int Vocabulary);

/// <summary>How tokens are drawn; <c>default</c> draws from all by their probabilities.</summary>
public readonly record struct DrawOptions
{
    /// <summary>Divides the logits; null: 1; 0: the most likely token.</summary>
    public double? Temperature { get; init; }

    /// <summary>Only so many of the most likely tokens can be drawn; 0: all.</summary>
    /// <remarks>Fan, Lewis, Dauphin 2018, §5.4.</remarks>
    public int TopK { get; init; }

    /// <summary>Only the most likely tokens that together have this probability can be drawn, after
    /// <see cref="TopK"/>; null or 1: all.</summary>
    /// <remarks>Holtzman et al. 2020, §3.1.</remarks>
    public double? TopP { get; init; }

    /// <summary>The same seed draws the same tokens.</summary>
    public ulong Seed { get; init; }

    /// <summary>Number of the first row's draw; row r has number First + r.</summary>
    public ulong First { get; init; }
}

/// <summary>Draws tokens from logits, on spans.</summary>
/// <remarks>Safe to call from many threads; allocates nothing.</remarks>
public static unsafe class Sampling
{
    /// <summary>Draws one token for each row; see <see cref="SamplingForward"/>.</summary>
    /// <param name="logits">[Rows, Vocabulary]; −∞ is never drawn.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Options.</param>
    /// <param name="tokens">[Rows]; −1 where a row holds NaN or +∞, or nothing but −∞.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or an option is out of
    /// range.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward(
        ReadOnlySpan<float> logits, in SamplingSizes sizes, in DrawOptions options,
        Span<int> tokens, Backend? backend = null)
    {
        fixed (float* x = logits)
        fixed (int* t = tokens)
        {
            SpanEntry.Run(backend, new SamplingForward
            {
                Logits = BufferView.Of(x, logits.Length),
                Tokens = BufferView.Of(t, tokens.Length),
                Rows = sizes.Rows,
                Vocabulary = sizes.Vocabulary,
                Options = options,
            });
        }
    }
}
