using System.Buffers.Binary;
using System.Text;

namespace Transformer.Models.Interchange;

/// <summary>A message in the wire format of Protocol Buffers, whose large parts are fetched when it
/// is written.</summary>
/// <remarks>protobuf.dev/programming-guides/encoding: a field is a varint of (number · 8 + kind)
/// and its value; kinds used here are 0 varint, 2 length and bytes, 5 four bytes.</remarks>
internal sealed class ProtoMessage
{
    private readonly List<(byte[] Bytes, Func<ReadOnlySpan<byte>>? Data)> parts = [];

    /// <summary>Bytes of the message.</summary>
    public long Length { get; private set; }

    public ProtoMessage Number(int field, long value)
    {
        Key(field, kind: 0);
        return Varint((ulong)value);
    }

    public ProtoMessage Single(int field, float value)
    {
        byte[] bytes = new byte[sizeof(float)];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
        Key(field, kind: 5);
        return Append(bytes);
    }

    public ProtoMessage Text(int field, string value)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(value);
        Key(field, kind: 2);
        return Varint((ulong)bytes.Length).Append(bytes);
    }

    public ProtoMessage Message(int field, ProtoMessage value)
    {
        Key(field, kind: 2);
        Varint((ulong)value.Length);
        parts.AddRange(value.parts);
        Length += value.Length;
        return this;
    }

    /// <summary>Adds the fields of another message to this one's.</summary>
    public void Append(ProtoMessage fields)
    {
        parts.AddRange(fields.parts);
        Length += fields.Length;
    }

    /// <param name="field">The field.</param>
    /// <param name="length">Bytes that there will be.</param>
    /// <param name="data">Gives them, once, when the message is written.</param>
    public ProtoMessage Data(int field, long length, Func<ReadOnlySpan<byte>> data)
    {
        Key(field, kind: 2);
        Varint((ulong)length);
        parts.Add(([], data));
        Length += length;
        return this;
    }

    public void WriteTo(Stream stream)
    {
        foreach ((byte[] bytes, Func<ReadOnlySpan<byte>>? data) in parts)
            stream.Write(data is null ? bytes : data());
    }

    private void Key(int field, int kind) => Varint(((ulong)field << 3) | (uint)kind);

    private ProtoMessage Varint(ulong value)
    {
        List<byte> bytes = [];
        for (; value > 127; value >>= 7) bytes.Add((byte)(value | 128));
        bytes.Add((byte)value);
        return Append([.. bytes]);
    }

    private ProtoMessage Append(byte[] bytes)
    {
        parts.Add((bytes, null));
        Length += bytes.Length;
        return this;
    }
}
