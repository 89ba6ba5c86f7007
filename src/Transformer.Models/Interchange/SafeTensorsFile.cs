using System.Collections.ObjectModel;
using System.Diagnostics.CodeAnalysis;
using System.IO.MemoryMappedFiles;
using Transformer.Tensors;

namespace Transformer.Models.Interchange;

/// <summary>
/// A safetensors file, opened for reading. The data are memory-mapped: opening costs the header
/// alone, and pages are read when a tensor is touched.
/// </summary>
/// <remarks>
/// Spans and addresses point into the mapping and are valid until <see cref="Dispose"/>. The
/// mapping of a file that is not disposed lives as long as the process, so that no span can be
/// left dangling by the garbage collector. Reading is safe from many threads; disposing is not
/// while others read. A file that another process truncates while it is mapped cannot be read
/// safely; <see cref="AtomicFile"/> replaces files without doing that.
/// </remarks>
public sealed unsafe class SafeTensorsFile : IDisposable
{
    private readonly MemoryMappedFile mapping;
    private readonly MemoryMappedViewAccessor view;
    private byte* start;

    private SafeTensorsFile(string path, SafeTensorsHeader header, FileStream stream)
    {
        Path = path;
        Tensors = new ReadOnlyDictionary<string, SafeTensorInfo>(header.Tensors);
        Metadata = new ReadOnlyDictionary<string, string>(header.Metadata);
        mapping = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read,
            HandleInheritability.None, leaveOpen: false);
        view = mapping.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        start += view.PointerOffset;
    }

    /// <summary>The path it was opened with.</summary>
    public string Path { get; }

    /// <summary>The tensors by name, in no particular order.</summary>
    public IReadOnlyDictionary<string, SafeTensorInfo> Tensors { get; }

    /// <summary>The file's own notes, empty where it has none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens a file and checks its whole header.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">
    /// The header is truncated, malformed, or disagrees with the data; the message says where.
    /// </exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static SafeTensorsFile Open(string path)
    {
        FileStream stream = TensorBytes.OpenRead(path, "safetensors");
        try
        {
            return new SafeTensorsFile(path, SafeTensorsHeader.Read(path, stream), stream);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Address and length in bytes of a tensor of any size.</summary>
    /// <exception cref="InvalidDataException">The file has no tensor of that name.</exception>
    /// <exception cref="NotSupportedException">
    /// The tensor has an element type that this library does not support.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The file was disposed.</exception>
    public (nint Address, long Length) Map(string name)
    {
        SafeTensorInfo info = Find(name);
        return ((nint)(start + info.Offset), info.ByteLength);
    }

    /// <summary>The bytes of a tensor, little-endian, row-major.</summary>
    /// <exception cref="InvalidDataException">The file has no tensor of that name.</exception>
    /// <exception cref="NotSupportedException">
    /// The tensor is longer than a span can be, or has an unsupported element type.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The file was disposed.</exception>
    public ReadOnlySpan<byte> Bytes(string name)
    {
        SafeTensorInfo info = Find(name);
        if (info.ByteLength > int.MaxValue) ThrowTooLong(info, info.ByteLength, "bytes");
        return new ReadOnlySpan<byte>(start + info.Offset, (int)info.ByteLength);
    }

    /// <summary>The elements of a tensor, row-major, without a copy.</summary>
    /// <typeparam name="T">The element type that the file stores; nothing is converted.</typeparam>
    /// <exception cref="InvalidDataException">
    /// The file has no tensor of that name, stores another type, or a bool is neither 0 nor 1.
    /// </exception>
    /// <exception cref="NotSupportedException">
    /// The tensor has more elements than a span can hold, or an unsupported element type.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The file was disposed.</exception>
    public ReadOnlySpan<T> As<T>(string name) where T : unmanaged
    {
        SafeTensorInfo info = Find(name);
        DType wanted = DTypes.Of<T>();
        if (info.DType != wanted)
            TensorBytes.ThrowWrongType(Describe(name), info.DType!.Value, wanted.ToString());
        if (info.Elements > int.MaxValue) ThrowTooLong(info, info.Elements, "elements");
        if (wanted == DType.Bool
            && new ReadOnlySpan<byte>(start + info.Offset, (int)info.ByteLength)
                .ContainsAnyExceptInRange((byte)0, (byte)1))
            throw new InvalidDataException(
                $"{Describe(name)} is BOOL with bytes other than 0 and 1.");
        return new ReadOnlySpan<T>(start + info.Offset, (int)info.Elements);
    }

    /// <summary>A copy of a tensor of any real type, widened or rounded to binary32.</summary>
    /// <exception cref="InvalidDataException">
    /// The file has no tensor of that name, or it holds no real numbers.
    /// </exception>
    /// <exception cref="NotSupportedException">As for <see cref="Bytes"/>.</exception>
    /// <exception cref="ObjectDisposedException">The file was disposed.</exception>
    public float[] ToSingles(string name) =>
        Find(name).DType is DType.Float32
            ? As<float>(name).ToArray()
            : TensorBytes.ToSingles(Find(name).DType!.Value, Bytes(name), Describe(name));

    /// <summary>Releases the mapping; spans and addresses taken from it become invalid.</summary>
    public void Dispose()
    {
        if (start is null) return;
        start = null;
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        mapping.Dispose();
    }

    private SafeTensorInfo Find(string name)
    {
        ObjectDisposedException.ThrowIf(start is null, this);
        if (!Tensors.TryGetValue(name, out SafeTensorInfo? info))
            throw new InvalidDataException(
                $"'{Path}' has no tensor '{name}'; it holds {Tensors.Count} others.");
        if (info.DType is null)
            throw new NotSupportedException(
                $"{Describe(name)} has type {info.TypeName}; supported " +
                $"are {SafeTensorTypes.Supported}. Convert it before loading.");
        return info;
    }

    private string Describe(string name) => $"'{Path}': tensor '{name}'";

    [DoesNotReturn]
    private void ThrowTooLong(SafeTensorInfo info, long actual, string unit) =>
        throw new NotSupportedException(
            $"{Describe(info.Name)} has {actual} {unit}; a span holds " +
            $"at most {int.MaxValue}. Use {nameof(Map)}.");
}
