using Transformer.Numerics;

namespace Transformer.Models.Training;

/// <summary>
/// Takes windows of T tokens from random places of a text, each with the token that follows each of
/// its own as labels, B to a batch. The batches of an epoch depend on (text, sizes, seed, epoch)
/// alone.
/// </summary>
/// <remarks>An epoch has as many batches as the text has tokens for.</remarks>
public sealed class WindowBatcher
{
    private const uint Stream = 0xFFFF_0009;

    private readonly TokenDataset text;
    private readonly ulong seed;
    private readonly uint places;
    private int epoch;

    /// <summary>Plans epoch 0.</summary>
    /// <param name="text">The text.</param>
    /// <param name="rows">B.</param>
    /// <param name="length">T.</param>
    /// <param name="seed">Of the order.</param>
    /// <exception cref="ArgumentException">A size is not positive, or the text is too short for
    /// one batch.</exception>
    public WindowBatcher(TokenDataset text, int rows, int length, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (rows < 1 || length < 1)
        {
            throw new ArgumentException($"WindowBatcher: {rows} windows of {length} tokens; " +
                "expected 1 or more of both.");
        }

        this.text = text;
        this.seed = seed;
        Rows = rows;
        Length = length;
        BatchCount = (text.Count - 1) / length / rows;
        if (BatchCount == 0)
        {
            throw new ArgumentException($"WindowBatcher: the text has {text.Count} tokens, too " +
                $"few for a batch of {rows} windows of {length} tokens. Give more text, or train " +
                "with a smaller batch or fewer positions.");
        }

        places = (uint)Math.Max(1, text.Count - 1 - length);
    }

    /// <summary>B: windows of a batch.</summary>
    public int Rows { get; }

    /// <summary>T: tokens of a window.</summary>
    public int Length { get; }

    /// <summary>Batches of an epoch.</summary>
    public int BatchCount { get; }

    /// <summary>Plans the batches of an epoch, from 0 on.</summary>
    public void StartEpoch(int epoch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        this.epoch = epoch;
    }

    /// <summary>Writes a batch of this epoch.</summary>
    /// <param name="batch">0 to <see cref="BatchCount"/> − 1.</param>
    /// <param name="ids">Receives the tokens [B, T].</param>
    /// <param name="labels">Receives the tokens that follow them [B, T].</param>
    public void Fill(int batch, Span<int> ids, Span<int> labels)
    {
        for (int row = 0; row < Rows; row++)
        {
            ulong window = ((ulong)batch * (uint)Rows) + (uint)row;
            ulong word = Philox.Word(seed, Stream, (uint)epoch, window);
            int start = (int)((word * places) >> 32);
            text.Ids.Slice(start, Length).CopyTo(ids[(row * Length)..]);
            text.Ids.Slice(start + 1, Length).CopyTo(labels[(row * Length)..]);
        }
    }
}
