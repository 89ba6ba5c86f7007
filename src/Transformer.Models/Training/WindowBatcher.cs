using Transformer.Numerics;

namespace Transformer.Models.Training;

/// <summary>
/// Cuts a text into windows of T tokens, each with the token that follows each of its own as
/// labels, and shuffles them into batches of B. The batches of an epoch depend on (text, sizes,
/// seed, epoch) alone.
/// </summary>
/// <remarks>An epoch takes every window once but for those that fill no batch. Where windows begin
/// is drawn anew for each epoch, so that a token is seen in ever new places.</remarks>
public sealed class WindowBatcher
{
    private const uint OrderStream = 0xFFFF_0003, ShiftStream = 0xFFFF_0004;

    private readonly TokenDataset text;
    private readonly ulong seed;
    private readonly int[] order;
    private int shift;

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
        // One window less than fit leaves room for every shift.
        int windows = Math.Max((text.Count - length) / length, (text.Count - 1) / length > 0 ? 1 : 0);
        BatchCount = windows / rows;
        if (BatchCount == 0)
        {
            throw new ArgumentException($"WindowBatcher: the text has {text.Count} tokens, too " +
                $"few for a batch of {rows} windows of {length} tokens. Give more text, or train " +
                "with a smaller batch or fewer positions.");
        }

        order = new int[windows];
        StartEpoch(0);
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
        int free = text.Count - 1 - (order.Length * Length);
        shift = (int)(Philox.Word(seed, ShiftStream, (uint)epoch, 0) %
            (uint)(Math.Min(free, Length - 1) + 1));
        for (int i = 0; i < order.Length; i++) order[i] = i;
        for (int i = order.Length - 1; i > 0; i--)
        {
            uint word = Philox.Word(seed, OrderStream, (uint)epoch, (ulong)i);
            int other = (int)((ulong)word * (uint)(i + 1) >> 32);
            (order[i], order[other]) = (order[other], order[i]);
        }
    }

    /// <summary>Writes a batch of this epoch.</summary>
    /// <param name="batch">0 to <see cref="BatchCount"/> − 1.</param>
    /// <param name="ids">Receives the tokens [B, T].</param>
    /// <param name="labels">Receives the tokens that follow them [B, T].</param>
    public void Fill(int batch, Span<int> ids, Span<int> labels)
    {
        for (int row = 0; row < Rows; row++)
        {
            int start = shift + (order[(batch * Rows) + row] * Length);
            text.Ids.Slice(start, Length).CopyTo(ids[(row * Length)..]);
            text.Ids.Slice(start + 1, Length).CopyTo(labels[(row * Length)..]);
        }
    }
}
