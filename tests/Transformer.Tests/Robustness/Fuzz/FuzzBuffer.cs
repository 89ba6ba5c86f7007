using System.Runtime.InteropServices;

namespace Transformer.Tests.Robustness.Fuzz;

/// <summary>What a call may do with a buffer.</summary>
internal enum FuzzAccess
{
    Read,
    Write,
    Update,
}

/// <summary>Guarded memory of which one call gets a part that touches one of its ends; the rest
/// holds a pattern.</summary>
internal sealed unsafe class FuzzBuffer : IDisposable
{
    /// <summary>Most bytes of a span.</summary>
    public const int Bytes = 32 * 1024;
    private const byte Pattern = 0xCB;

    // Numbers in (−1, 1), the same in every buffer.
    private static readonly byte[] Numbers = MakeNumbers();

    private readonly GuardedMemory memory = new(Bytes);
    private FuzzAccess access;
    private int start;
    private int length;
    private byte[]? contents;
    private bool shared;

    public FuzzBuffer() => memory.Bytes.Fill(Pattern);


    /// <summary>A span of the call: filled with numbers, or with the pattern if it is to be
    /// written.</summary>
    public Span<T> Take<T>(int count, bool atEnd, FuzzAccess mode, ReadOnlySpan<T> values = default)
        where T : unmanaged
    {
        access = mode;
        shared = false;
        contents = null;
        length = Math.Min(count, Bytes / sizeof(T)) * sizeof(T);
        start = atEnd ? memory.Length - length : 0;
        Span<byte> bytes = memory.Bytes.Slice(start, length);
        if (mode != FuzzAccess.Write)
        {
            if (values.IsEmpty) Numbers.AsSpan(0, length).CopyTo(bytes);
            else contents = MemoryMarshal.AsBytes(values[..(length / sizeof(T))]).ToArray();
            contents?.CopyTo(bytes);
        }

        return MemoryMarshal.Cast<byte, T>(bytes);
    }

    /// <summary>Another span of the call, in this memory, too: what is there after the call is then
    /// not known.</summary>
    public Span<T> Share<T>(int shift, int count) where T : unmanaged
    {
        shared = true;
        Span<T> all = MemoryMarshal.Cast<byte, T>(memory.Bytes);
        return all.Slice(shift, Math.Min(count, all.Length - shift));
    }

    /// <summary>Says what should not have been written, and makes the buffer ready for the next
    /// call.</summary>
    public string? Check(bool ran)
    {
        Span<byte> all = memory.Bytes;
        if (shared && ran)
        {
            all.Fill(Pattern);
            return null;
        }

        string? damage = null;
        if (all[..start].IndexOfAnyExcept(Pattern) is >= 0 and int before)
            damage = $"was written {start - before} bytes before its start";
        if (all[(start + length)..].IndexOfAnyExcept(Pattern) is >= 0 and int behind)
            damage = $"was written {behind + 1} bytes behind its end";
        Span<byte> bytes = all.Slice(start, length);
        bool mayChange = ran && access != FuzzAccess.Read;
        if (!mayChange)
        {
            bool same = access == FuzzAccess.Write
                ? bytes.IndexOfAnyExcept(Pattern) < 0
                : bytes.SequenceEqual(contents ?? Numbers.AsSpan(0, length));
            if (!same)
                damage ??= ran ? "is an input and was changed" : "was written by a refused call";
        }

        bytes.Fill(Pattern);
        if (damage is not null) all.Fill(Pattern);
        start = 0;
        length = 0;
        return damage;
    }

    public void Dispose() => memory.Dispose();

    private static byte[] MakeNumbers()
    {
        Random random = new(3);
        float[] numbers = new float[Bytes / sizeof(float)];
        for (int i = 0; i < numbers.Length; i++) numbers[i] = (2 * random.NextSingle()) - 1;
        return MemoryMarshal.AsBytes<float>(numbers).ToArray();
    }
}
