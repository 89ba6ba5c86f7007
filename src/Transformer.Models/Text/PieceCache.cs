using System.Runtime.InteropServices;

namespace Transformer.Models.Text;

/// <summary>Remembers the tokens of pieces of text, for all threads, without locks.</summary>
/// <remarks>A table of pairs of places, a place by hash. A new piece takes the first place of
/// its pair, what was there moves to the second, what was in that is forgotten: memory is
/// bounded, and frequent pieces stay. Entries never change, so that a reader sees an old one or
/// a new one, both right; two writers may lose one of two new entries, which is found again.
/// </remarks>
internal sealed class PieceCache
{
    private const int Bits = 16;
    private const int LongestPiece = 64;
    private const ulong Multiplier = 0x9E37_79B9_7F4A_7C15;

    private readonly Entry?[] _entries = new Entry?[1 << Bits];

    /// <summary>Hash of a piece, the upper bits well mixed.</summary>
    public static ulong Hash(ReadOnlySpan<char> piece)
    {
        ulong hash = (ulong)piece.Length * Multiplier;
        if (piece.Length < 4)
        {
            for (int i = 0; i < piece.Length; i++) hash = (hash << 16) ^ (hash >> 48) ^ piece[i];
            return Mix(hash);
        }
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(piece);
        for (int i = 0; i + 8 < bytes.Length; i += 8)
            hash = Mix(hash ^ MemoryMarshal.Read<ulong>(bytes[i..]));
        // The last four units, which may have been read before.
        return Mix(hash ^ MemoryMarshal.Read<ulong>(bytes[^8..]));
    }

    /// <summary>The tokens of a piece; null where they are not known.</summary>
    public int[]? Find(ReadOnlySpan<char> piece, ulong hash)
    {
        int place = Place(hash);
        Entry? first = Volatile.Read(ref _entries[place]);
        if (first is null) return null;
        if (first.Hash == hash && piece.SequenceEqual(first.Piece)) return first.Ids;
        Entry? second = Volatile.Read(ref _entries[place ^ 1]);
        return second is not null && second.Hash == hash && piece.SequenceEqual(second.Piece)
            ? second.Ids : null;
    }

    /// <summary>Remembers the tokens of a piece, unless it is long.</summary>
    public void Add(ReadOnlySpan<char> piece, ulong hash, int[] ids)
    {
        if (piece.Length > LongestPiece) return;
        int place = Place(hash);
        Volatile.Write(ref _entries[place ^ 1], _entries[place]);
        Volatile.Write(ref _entries[place], new(piece.ToString(), hash, ids));
    }

    private static ulong Mix(ulong hash)
    {
        hash *= Multiplier;
        return hash ^ (hash >> 29);
    }

    // Pairs begin at even places.
    private static int Place(ulong hash) => (int)(hash >> (64 - Bits)) & ~1;

    private sealed record Entry(string Piece, ulong Hash, int[] Ids);
}
