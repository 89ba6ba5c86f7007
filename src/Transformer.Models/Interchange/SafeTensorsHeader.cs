using System.Buffers.Binary;
using System.Text.Json;

namespace Transformer.Models.Interchange;

/// <summary>
/// Reads and checks a safetensors header. The format: 8 bytes little-endian length n, n bytes of
/// a JSON object {name: {dtype, shape, data_offsets: [begin, end]}} that starts with '{' and may
/// end in spaces, then the data, which the tensors cover from the first byte to the last without
/// holes or overlap (huggingface.co/docs/safetensors).
/// </summary>
internal sealed class SafeTensorsHeader
{
    /// <summary>The format's own limit for a header.</summary>
    public const long MaxLength = 100_000_000;

    private const string MetadataKey = "__metadata__";

    private readonly string path;
    private readonly long dataStart;
    private readonly long dataLength;

    private SafeTensorsHeader(string path, long dataStart, long fileLength)
    {
        this.path = path;
        this.dataStart = dataStart;
        dataLength = fileLength - dataStart;
    }

    public Dictionary<string, SafeTensorInfo> Tensors { get; } = new(StringComparer.Ordinal);

    public Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    /// <exception cref="InvalidDataException">The file breaks a rule of the format.</exception>
    public static SafeTensorsHeader Read(string path, FileStream stream)
    {
        long fileLength = stream.Length;
        if (fileLength < 8) throw Bad(path, $"{fileLength} bytes; a header needs at least 8");
        Span<byte> prefix = stackalloc byte[8];
        stream.ReadExactly(prefix);
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > MaxLength)
            throw Bad(path, $"header of {length} bytes; the limit is {MaxLength}");
        if ((long)length > fileLength - 8)
            throw Bad(path, $"header of {length} bytes in a file of {fileLength}; it is truncated");
        byte[] json = new byte[length];
        stream.ReadExactly(json);
        SafeTensorsHeader header = new(path, 8 + (long)length, fileLength);
        header.Parse(json);
        header.CheckCoverage();
        return header;
    }

    private void Parse(byte[] json)
    {
        if (json.Length == 0 || json[0] != (byte)'{')
            throw Bad(path, "header does not start with '{'");
        try
        {
            using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions
            {
                MaxDepth = 16,
                AllowDuplicateProperties = false,
            });
            foreach (JsonProperty property in document.RootElement.EnumerateObject())
            {
                if (property.NameEquals(MetadataKey)) ReadMetadata(property.Value);
                else Tensors.Add(property.Name, ReadTensor(property.Name, property.Value));
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw Bad(path, $"header is not valid JSON: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }

    private void ReadMetadata(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object)
            throw Bad(path, $"'{MetadataKey}' is {value.ValueKind}; expected an object of strings");
        foreach (JsonProperty entry in value.EnumerateObject())
        {
            if (entry.Value.ValueKind != JsonValueKind.String)
                throw Bad(path, $"metadata '{entry.Name}' is {entry.Value.ValueKind}; " +
                    "expected a string");
            Metadata.Add(entry.Name, entry.Value.GetString()!);
        }
    }

    private SafeTensorInfo ReadTensor(string name, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object)
            throw Bad(path, $"tensor '{name}' is {value.ValueKind}; expected an object");
        if (!value.TryGetProperty("dtype", out JsonElement type)
            || type.ValueKind != JsonValueKind.String)
            throw Bad(path, $"tensor '{name}' has no dtype");
        string typeName = type.GetString()!;
        long[] shape = ReadNumbers(name, value, "shape");
        long[] range = ReadNumbers(name, value, "data_offsets");
        if (range is not [long begin, long end])
            throw Bad(path, $"tensor '{name}' has {range.Length} data_offsets; expected 2");
        if (begin > end || end > dataLength)
            throw Bad(path, $"tensor '{name}' lies at {begin}..{end} of {dataLength} data bytes");
        int size = SafeTensorTypes.Size(typeName);
        if (!TensorBytes.TryMeasure(shape, Math.Max(size, 1), out long elements, out long bytes))
            throw Bad(path, $"tensor '{name}' of shape {TensorBytes.Format(shape)} overflows");
        if (size > 0 && bytes != end - begin)
            throw Bad(path, $"tensor '{name}' of type {typeName} and shape " +
                $"{TensorBytes.Format(shape)} takes {bytes} bytes; its offsets give {end - begin}");
        return new SafeTensorInfo(name, typeName, SafeTensorTypes.Parse(typeName), shape, elements,
            dataStart + begin, end - begin);
    }

    private long[] ReadNumbers(string name, JsonElement tensor, string key)
    {
        if (!tensor.TryGetProperty(key, out JsonElement list)
            || list.ValueKind != JsonValueKind.Array)
            throw Bad(path, $"tensor '{name}' has no {key} list");
        long[] numbers = new long[list.GetArrayLength()];
        int count = 0;
        foreach (JsonElement item in list.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt64(out long number)
                || number < 0)
                throw Bad(path, $"tensor '{name}' has {key} entry {Excerpt(item)}; " +
                    "expected a whole number from 0 to 2⁶³ − 1");
            numbers[count++] = number;
        }
        return numbers;
    }

    /// <summary>Every data byte belongs to exactly one tensor.</summary>
    private void CheckCoverage()
    {
        long covered = dataStart;
        foreach (SafeTensorInfo info in
            Tensors.Values.OrderBy(t => t.Offset).ThenBy(t => t.ByteLength))
        {
            if (info.Offset != covered)
                throw Bad(path, $"tensor '{info.Name}' starts at data byte " +
                    $"{info.Offset - dataStart}; expected {covered - dataStart} " +
                    $"({(info.Offset < covered ? "an overlap" : "a hole")})");
            covered += info.ByteLength;
        }
        if (covered != dataStart + dataLength)
            throw Bad(path, $"{dataLength} data bytes; the tensors cover {covered - dataStart}");
    }

    private static string Excerpt(JsonElement item)
    {
        string text = item.GetRawText().ReplaceLineEndings(" ");
        return text.Length <= 40 ? text : string.Concat(text.AsSpan(0, 40), "…");
    }

    private static InvalidDataException Bad(string path, string what, Exception? inner = null) =>
        new($"'{path}' is no valid safetensors file: {what}.", inner);
}
