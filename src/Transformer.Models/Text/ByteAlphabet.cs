namespace Transformer.Models.Text;

/// <summary>Spells bytes as printable characters, so that pieces of UTF-8 can stand in JSON.
/// </summary>
/// <remarks>The mapping of GPT-2's files: printable Latin-1 bytes are themselves; the others, in
/// order, are U+0100, U+0101, and so on. A space is thus 'Ġ' (U+0120).</remarks>
internal static class ByteAlphabet
{
    private static readonly char[] CharOfByte = Build();
    private static readonly Dictionary<char, byte> ByteOfChar =
        Enumerable.Range(0, 256).ToDictionary(b => CharOfByte[b], b => (byte)b);

    public static char ToChar(byte value) => CharOfByte[value];

    /// <summary>Bytes of a piece; false where it holds a character that spells no byte.</summary>
    public static bool TryToBytes(string piece, out byte[] bytes)
    {
        bytes = new byte[piece.Length];
        for (int i = 0; i < bytes.Length; i++)
        {
            if (!ByteOfChar.TryGetValue(piece[i], out bytes[i])) return false;
        }
        return true;
    }

    private static char[] Build()
    {
        char[] map = new char[256];
        char next = '\u0100';
        for (int b = 0; b < map.Length; b++)
        {
            bool printable = b is (>= 0x21 and <= 0x7E) or (>= 0xA1 and <= 0xAC) or >= 0xAE;
            map[b] = printable ? (char)b : next++;
        }
        return map;
    }
}
