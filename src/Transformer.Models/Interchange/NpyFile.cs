using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Transformer.Tensors;

namespace Transformer.Models.Interchange;

/// <summary>
/// Reads and writes NumPy's .npy files, versions 1 to 3, of the element types of this library.
/// bfloat16, which NumPy lacks, is stored as its bits in uint16.
/// </summary>
public static class NpyFile
{
    private const int Alignment = 64;
    private const int MaxHeaderLength = 1 << 20;

    private static ReadOnlySpan<byte> Magic => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P',
        (byte)'Y'];

    /// <summary>Reads a whole array; Fortran order is transposed to row-major.</summary>
    /// <param name="path">The file.</param>
    /// <param name="asBFloat16">Take uint16 elements for bfloat16 bits.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">
    /// The file is truncated, malformed, of an unsupported type, or longer than its header says.
    /// </exception>
    /// <exception cref="NotSupportedException">The data pass the length of a managed array.
    /// </exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static NpyArray Read(string path, bool asBFloat16 = false)
    {
        using FileStream stream = TensorBytes.OpenRead(path, ".npy");
        if (!stream.CanSeek) throw Bad(path, "it is a pipe; store the array in a file");
        NpyHeader header = NpyHeader.Parse(path, ReadHeader(path, stream));
        DType dtype = NpyHeader.ParseType(path, header.Descr, asBFloat16);
        string shape = TensorBytes.Format(header.Shape);
        if (!TensorBytes.TryMeasure(header.Shape, dtype.Size(), out _, out long bytes))
            throw Bad(path, $"shape {shape} overflows");
        long present = stream.Length - stream.Position;
        if (present != bytes)
            throw Bad(path, $"{present} data bytes; shape {shape} of {dtype} takes {bytes}");
        if (bytes > TensorBytes.MaxArrayLength)
            throw new NotSupportedException(
                $"'{path}' holds {bytes} bytes; an array takes at most " +
                $"{TensorBytes.MaxArrayLength}. Store large tensors as safetensors.");
        byte[] data = new byte[bytes];
        stream.ReadExactly(data);
        if (header.FortranOrder && header.Shape.Length > 1)
            data = ToRowMajor(data, header.Shape, dtype.Size());
        return new NpyArray(path, dtype, header.Shape, data);
    }

    /// <summary>Writes an array in row-major order, beside its place first, and renames it.
    /// </summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="data">The elements, row-major.</param>
    /// <param name="shape">Axes, slowest first; none for a scalar.</param>
    /// <exception cref="ArgumentException">The shape does not fit the data.</exception>
    /// <exception cref="IOException">
    /// The file could not be written; the old file is untouched.
    /// </exception>
    public static unsafe void Write<T>(
        string path, ReadOnlySpan<T> data, ReadOnlySpan<long> shape) where T : unmanaged
    {
        DType dtype = DTypes.Of<T>();
        if (!TensorBytes.TryMeasure(shape, dtype.Size(), out long elements, out long bytes)
            || elements != data.Length || shape.Length > NpyHeader.MaxRank)
            throw new ArgumentException($"NpyFile: 'data' has {data.Length} elements; shape " +
                $"{TensorBytes.Format(shape)} does not fit (at most {NpyHeader.MaxRank} axes).");
        byte[] header = BuildHeader(NpyHeader.Build(NpyHeader.TypeString(dtype), shape));
        fixed (T* pinned = data)
        {
            nint address = (nint)pinned;
            int count = data.Length;
            AtomicFile.Write(path, stream =>
            {
                stream.Write(header);
                const int Step = 1 << 24;
                for (int done = 0; done < count; done += Step)
                    stream.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(
                        (T*)address + done, Math.Min(Step, count - done))));
            }, header.Length + bytes);
        }
    }

    internal static InvalidDataException Bad(string path, string what) =>
        new($"'{path}' is no readable .npy file: {what}.");

    /// <summary>Leaves the stream at the first data byte.</summary>
    private static string ReadHeader(string path, FileStream stream)
    {
        Span<byte> start = stackalloc byte[8];
        if (stream.ReadAtLeast(start, 8, throwOnEndOfStream: false) < 8)
            throw Bad(path, $"{stream.Length} bytes; a header needs at least 10");
        if (!start.StartsWith(Magic)) throw Bad(path, "it does not start with \\x93NUMPY");
        int major = start[6];
        if (major is < 1 or > 3 || start[7] != 0)
            throw Bad(path, $"format version {major}.{start[7]}; supported are 1.0, 2.0 and 3.0");
        Span<byte> prefix = stackalloc byte[4];
        prefix.Clear();
        int width = major == 1 ? 2 : 4;
        if (stream.ReadAtLeast(prefix[..width], width, throwOnEndOfStream: false) < width)
            throw Bad(path, "it ends before the header's length");
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(prefix);
        if (length > MaxHeaderLength)
            throw Bad(
                path, $"header of {length} bytes; the limit is {MaxHeaderLength}");
        if (length > stream.Length - stream.Position)
            throw Bad(
                path, $"header of {length} bytes in a file of {stream.Length}; it is truncated");
        byte[] text = new byte[length];
        stream.ReadExactly(text);
        return (major == 3 ? Encoding.UTF8 : Encoding.Latin1).GetString(text);
    }

    /// <summary>Version 1, padded so that the data start at a multiple of 64.</summary>
    private static byte[] BuildHeader(string text)
    {
        int prefix = Magic.Length + 4;
        int total = (prefix + text.Length + 1 + Alignment - 1) / Alignment * Alignment;
        byte[] header = new byte[total];
        header.AsSpan().Fill((byte)' ');
        Magic.CopyTo(header);
        (header[6], header[7]) = (1, 0);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(8), (ushort)(total - prefix));
        Encoding.Latin1.GetBytes(text, header.AsSpan(prefix));
        header[^1] = (byte)'\n';
        return header;
    }

    /// <summary>Copies column-major elements into row-major order.</summary>
    private static byte[] ToRowMajor(byte[] source, long[] shape, int size)
    {
        byte[] target = new byte[source.Length];
        if (source.Length == 0) return target;
        int rank = shape.Length;
        int[] strides = new int[rank], index = new int[rank];
        int stride = size;
        for (int axis = 0; axis < rank; axis++)
        {
            strides[axis] = stride;
            stride *= (int)shape[axis];
        }
        int from = 0;
        for (int to = 0; to < target.Length; to += size)
        {
            Unsafe.CopyBlockUnaligned(ref target[to], ref source[from], (uint)size);
            for (int axis = rank - 1; axis >= 0; axis--)
            {
                from += strides[axis];
                if (++index[axis] < shape[axis]) break;
                from -= strides[axis] * index[axis];
                index[axis] = 0;
            }
        }
        return target;
    }
}
