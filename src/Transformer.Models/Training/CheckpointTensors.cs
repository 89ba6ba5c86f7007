using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;
using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Tensors;

namespace Transformer.Models.Training;

/// <summary>One tensor of a checkpoint: a weight or one of its two moments.</summary>
internal readonly record struct CheckpointTensor(
    string Name, TensorShape Shape, BufferView View);

/// <summary>The tensors of a checkpoint, their bytes and their checksum.</summary>
internal static unsafe class CheckpointTensors
{
    public const string FirstMoment = "optimizer.first.", SecondMoment = "optimizer.second.";
    private const int ChunkLength = 1 << 24;

    /// <summary>All weights under their own names, then the moments of those trained.</summary>
    public static IEnumerable<CheckpointTensor> Of(ParameterSet parameters)
    {
        foreach (Parameter p in parameters.All) yield return new(p.Name, p.Shape, p.Value);
        foreach (Parameter p in parameters.All.Where(p => p.Trainable))
            yield return new(FirstMoment + p.Name, p.Shape, Moment(parameters.FirstMoments, p));
        foreach (Parameter p in parameters.All.Where(p => p.Trainable))
            yield return new(SecondMoment + p.Name, p.Shape, Moment(parameters.SecondMoments, p));
    }

    /// <summary>CRC-32C of the notes in order of their keys, but for one, and of the names and
    /// bytes of the tensors.</summary>
    public static uint Checksum(
        IReadOnlyDictionary<string, string> notes, string except,
        IEnumerable<CheckpointTensor> tensors, BackendMemory memory)
    {
        uint crc = uint.MaxValue;
        foreach (string key in notes.Keys.Where(k => k != except).Order(StringComparer.Ordinal))
            crc = Append(Append(crc, key), notes[key]);
        byte[] staging = memory.IsHostAccessible ? [] : new byte[ChunkLength];
        foreach (CheckpointTensor tensor in tensors)
        {
            crc = Append(crc, tensor.Name);
            long length = tensor.View.Length * sizeof(float);
            for (long done = 0; done < length; done += ChunkLength)
            {
                int count = (int)Math.Min(ChunkLength, length - done);
                nint address = tensor.View.Address + (nint)done;
                if (!memory.IsHostAccessible)
                {
                    fixed (byte* pointer = staging)
                        memory.CopyToHost(address, (nint)pointer, count);
                }

                crc = Append(crc, memory.IsHostAccessible
                    ? new ReadOnlySpan<byte>((void*)address, count)
                    : staging.AsSpan(0, count));
            }
        }

        return ~crc;
    }

    /// <summary>The bytes of a tensor in any memory, copied to the host.</summary>
    public static byte[] ToHost(BufferView view, BackendMemory memory)
    {
        byte[] bytes = new byte[checked((int)(view.Length * sizeof(float)))];
        fixed (byte* pointer = bytes) memory.CopyToHost(view.Address, (nint)pointer, bytes.Length);
        return bytes;
    }

    private static BufferView Moment(BufferView all, Parameter parameter) =>
        all.Slice(parameter.Offset, parameter.Shape.ElementCount);

    private static uint Append(uint crc, string text) =>
        Append(crc, Encoding.UTF8.GetBytes(text + '\0'));

    private static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(bytes);
        foreach (ulong word in words) crc = BitOperations.Crc32C(crc, word);
        foreach (byte rest in bytes[(words.Length * sizeof(ulong))..])
            crc = BitOperations.Crc32C(crc, rest);
        return crc;
    }
}
