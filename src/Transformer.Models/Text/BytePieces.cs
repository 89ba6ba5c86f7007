using System.Globalization;

namespace Transformer.Models.Text;

/// <summary>The pieces &lt;0x00&gt; to &lt;0xFF&gt;, which spell text that no other piece covers.
/// </summary>
internal static class BytePieces
{
    /// <summary>The piece of a byte.</summary>
    public static string Name(byte value) =>
        string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>");

    /// <summary>Ids by byte, and bytes by id, -1 for other ids; all -1 where they are not used.
    /// </summary>
    public static (int[] IdOfByte, int[] ByteOfId) Find(Vocabulary vocabulary, bool isUsed)
    {
        int[] ids = new int[256], bytes = new int[vocabulary.Count];
        Array.Fill(ids, -1);
        Array.Fill(bytes, -1);
        for (int b = 0; isUsed && b < ids.Length; b++)
        {
            if (!vocabulary.TryGetPiece(Name((byte)b), out int id)) continue;
            (ids[b], bytes[id]) = (id, b);
        }
        return (ids, bytes);
    }
}
