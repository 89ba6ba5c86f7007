using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using Transformer.Tensors;

namespace Transformer.Models.Interchange;

/// <summary>
/// Collects tensors and notes, and writes them as one safetensors file through
/// <see cref="AtomicFile"/>. The content of a tensor is asked for when the file is written.
/// </summary>
/// <remarks>
/// Tensors lie in the file by falling element size and otherwise in the order they were added, and
/// the data start at a multiple of 64 bytes, so that every tensor is naturally aligned. The same
/// calls give the same bytes.
/// </remarks>
public sealed unsafe partial class SafeTensorsWriter
{
    private const int DataAlignment = 64;
    private const int ChunkLength = 1 << 26;

    private readonly List<Entry> entries = [];
    private readonly HashSet<string> names = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> metadata = new(StringComparer.Ordinal);

    private sealed record Entry(
        string Name, DType DType, long[] Shape, long ByteLength, Action<Stream> Write);

    /// <summary>Sets a note; a later one of the same key replaces it.</summary>
    public SafeTensorsWriter SetMetadata(string key, string value)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(value);
        metadata[key] = value;
        return this;
    }

    /// <summary>Adds a tensor whose elements are in managed memory.</summary>
    /// <param name="name">Its name, used once in the file.</param>
    /// <param name="data">Row-major elements; not copied before <see cref="Write(string)"/>.
    /// </param>
    /// <param name="shape">Axes, slowest first; none for a scalar.</param>
    /// <exception cref="ArgumentException">
    /// The name is taken or reserved, or the shape does not fit the data.
    /// </exception>
    public SafeTensorsWriter Add<T>(
        string name, ReadOnlyMemory<T> data, params ReadOnlySpan<long> shape) where T : unmanaged
    {
        Entry entry = Append(name, DTypes.Of<T>(), shape,
            stream => WriteElements(stream, data.Span));
        if (entry.ByteLength / sizeof(T) == data.Length) return this;
        Remove(entry);
        throw new ArgumentException($"SafeTensorsWriter: tensor '{name}' of shape " +
            $"{TensorBytes.Format(shape)} needs {entry.ByteLength / sizeof(T)} elements; " +
            $"'data' has {data.Length}.");
    }

    /// <summary>Adds a tensor of any size at an address.</summary>
    /// <param name="name">Its name, used once in the file.</param>
    /// <param name="dtype">Its element type.</param>
    /// <param name="shape">Axes, slowest first; none for a scalar.</param>
    /// <param name="address">Row-major elements, readable until <see cref="Write(string)"/>
    /// returns.</param>
    /// <exception cref="ArgumentException">The name is taken or reserved, or the shape is bad.
    /// </exception>
    public SafeTensorsWriter Add(
        string name, DType dtype, ReadOnlySpan<long> shape, nint address)
    {
        long length = Measure(name, dtype, shape);
        if (address == 0 && length > 0)
            throw new ArgumentException($"SafeTensorsWriter: tensor '{name}' has no address.");
        Append(name, dtype, shape, stream =>
        {
            for (long done = 0; done < length; done += ChunkLength)
                stream.Write(new ReadOnlySpan<byte>(
                    (byte*)address + done, (int)Math.Min(ChunkLength, length - done)));
        });
        return this;
    }

    /// <summary>Adds a tensor whose bytes are fetched when it is written, once.</summary>
    /// <param name="name">Its name, used once in the file.</param>
    /// <param name="dtype">Its element type.</param>
    /// <param name="shape">Axes, slowest first; none for a scalar.</param>
    /// <param name="bytes">Gives the row-major elements, little-endian.</param>
    /// <exception cref="ArgumentException">The name is taken or reserved, or the shape is bad.
    /// </exception>
    public SafeTensorsWriter Add(
        string name, DType dtype, ReadOnlySpan<long> shape, Func<ReadOnlySpan<byte>> bytes)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        long length = Measure(name, dtype, shape);
        Append(name, dtype, shape, stream =>
        {
            ReadOnlySpan<byte> content = bytes();
            if (content.Length != length)
                throw new InvalidOperationException($"SafeTensorsWriter: tensor '{name}' gave " +
                    $"{content.Length} bytes; expected {length}.");
            stream.Write(content);
        });
        return this;
    }

    /// <summary>Writes the file, beside its place first, and renames it.</summary>
    /// <exception cref="IOException">
    /// The file could not be written (the message names it and the bytes it needs); the old file
    /// is untouched.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// A tensor gave another number of bytes than its shape says; the old file is untouched.
    /// </exception>
    public void Write(string path)
    {
        Entry[] ordered = [.. entries.OrderByDescending(e => e.DType.Size())];
        byte[] header = BuildHeader(ordered);
        Int128 total = header.Length;
        foreach (Entry entry in ordered) total += entry.ByteLength;
        if (total > long.MaxValue)
            throw new IOException($"Could not write '{path}': {total} bytes are more than a file " +
                "can hold.");
        AtomicFile.Write(path, stream =>
        {
            stream.Write(header);
            foreach (Entry entry in ordered) entry.Write(stream);
        }, (long)total);
    }

    private static void WriteElements<T>(Stream stream, ReadOnlySpan<T> data) where T : unmanaged
    {
        int step = ChunkLength / sizeof(T);
        for (int done = 0; done < data.Length; done += step)
            stream.Write(MemoryMarshal.AsBytes(
                data.Slice(done, Math.Min(step, data.Length - done))));
    }

    private static long Measure(string name, DType dtype, ReadOnlySpan<long> shape) =>
        TensorBytes.TryMeasure(shape, dtype.Size(), out _, out long bytes)
            ? bytes
            : throw new ArgumentException($"SafeTensorsWriter: tensor '{name}' has shape " +
                $"{TensorBytes.Format(shape)}; expected axes from 0 up whose product " +
                "fits 63 bits.");

    private Entry Append(
        string name, DType dtype, ReadOnlySpan<long> shape, Action<Stream> write)
    {
        ArgumentNullException.ThrowIfNull(name);
        long length = Measure(name, dtype, shape);
        if (name == "__metadata__" || !names.Add(name))
            throw new ArgumentException($"SafeTensorsWriter: tensor name '{name}' is " +
                (name == "__metadata__" ? "reserved." : "used already."));
        Entry entry = new(name, dtype, shape.ToArray(), length, write);
        entries.Add(entry);
        return entry;
    }

    private void Remove(Entry entry)
    {
        entries.Remove(entry);
        names.Remove(entry.Name);
    }

    private byte[] BuildHeader(Entry[] ordered)
    {
        ArrayBufferWriter<byte> buffer = new(1024);
        buffer.Write(stackalloc byte[8]);
        // Names are data, not HTML: only what JSON itself demands is escaped.
        using (Utf8JsonWriter json = new(buffer, new JsonWriterOptions
        {
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        }))
        {
            json.WriteStartObject();
            if (metadata.Count > 0) WriteMetadata(json);
            Int128 offset = 0;
            foreach (Entry entry in ordered) WriteEntry(json, entry, ref offset);
            json.WriteEndObject();
        }
        int padding = -buffer.WrittenCount & (DataAlignment - 1);
        buffer.GetSpan(padding)[..padding].Fill((byte)' ');
        buffer.Advance(padding);
        byte[] header = buffer.WrittenSpan.ToArray();
        if (header.Length - 8 > SafeTensorsHeader.MaxLength)
            throw new NotSupportedException(
                $"SafeTensorsWriter: the header takes {header.Length} " +
                $"bytes; the format allows {SafeTensorsHeader.MaxLength}. " +
                "Write fewer tensors a file.");
        BinaryPrimitives.WriteInt64LittleEndian(header, header.Length - 8);
        return header;
    }

    private void WriteMetadata(Utf8JsonWriter json)
    {
        json.WriteStartObject("__metadata__");
        foreach ((string key, string value) in metadata) json.WriteString(key, value);
        json.WriteEndObject();
    }

    private static void WriteEntry(Utf8JsonWriter json, Entry entry, ref Int128 offset)
    {
        json.WriteStartObject(entry.Name);
        json.WriteString("dtype", SafeTensorTypes.Name(entry.DType));
        json.WriteStartArray("shape");
        foreach (long axis in entry.Shape) json.WriteNumberValue(axis);
        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue((decimal)offset);
        json.WriteNumberValue((decimal)(offset += entry.ByteLength));
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
