using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Verification;

/// <summary>One buffer of a case: guard region, elements, guard region.</summary>
/// <remarks>Guard bytes are 0xFF: as any floating-point type that is NaN, so that what reads them
/// shows, and −1 as an integer.</remarks>
internal sealed unsafe class CaseOperand : IDisposable
{
    public const int GuardBytes = 256;
    private const byte GuardByte = 0xFF;

    private readonly BackendMemory memory;
    private readonly MemoryBlock block;
    private readonly byte[] image;
    private readonly int start;

    public CaseOperand(
        string name, long count, DType dtype, bool isOutput, OutputRule rule, BackendMemory memory,
        int elementOffset)
    {
        Name = name;
        Count = count;
        DType = dtype;
        IsOutput = isOutput;
        Rule = rule;
        this.memory = memory;
        start = GuardBytes + (elementOffset * dtype.Size());
        image = new byte[checked((start + (count * dtype.Size())) + GuardBytes)];
        image.AsSpan().Fill(GuardByte);
        block = memory.Allocate(image.Length);
        View = new(block.Address + start, count, dtype);
    }

    private CaseOperand(CaseOperand original)
    {
        Name = original.Name;
        Count = original.Count;
        DType = original.DType;
        IsOutput = original.IsOutput;
        Rule = original.Rule;
        memory = original.memory;
        start = original.start;
        image = original.image;
        block = memory.Allocate(image.Length);
        View = new(block.Address + start, Count, DType);
        memory.Copy(original.block.Address, block.Address, image.Length);
    }

    public string Name { get; }

    public long Count { get; }

    public DType DType { get; }

    /// <summary>Written by the call, and so compared with the reference.</summary>
    public bool IsOutput { get; }

    public OutputRule Rule { get; }

    public BufferView View { get; }

    /// <summary>Guards included.</summary>
    public long AllocatedBytes => image.Length;

    private Span<byte> Elements => image.AsSpan(start, (int)(Count * DType.Size()));

    public void Upload<T>(ReadOnlySpan<T> values) where T : unmanaged
    {
        MemoryMarshal.AsBytes(values).CopyTo(Elements);
        Upload();
    }

    public void Upload(ReadOnlySpan<double> values, Func<double, double> round)
    {
        for (int i = 0; i < values.Length; i++) Write(i, round(values[i]));
        Upload();
    }

    /// <summary>The bytes that now lie in the backend's memory, guards included.</summary>
    public byte[] Download()
    {
        byte[] bytes = new byte[image.Length];
        fixed (byte* pointer = bytes)
        {
            memory.CopyToHost(block.Address, (nint)pointer, bytes.Length);
        }

        return bytes;
    }

    /// <summary>Null where the guards (and, of inputs, the elements) are as they were.</summary>
    public string? DescribeDamage(byte[] now)
    {
        for (int i = 0; i < now.Length; i++)
        {
            bool element = i >= start && i < start + Elements.Length;
            if (now[i] == image[i] || (element && IsOutput)) continue;
            long index = Math.DivRem((long)i - start, DType.Size()).Quotient;
            return element
                ? $"input '{Name}' was changed at index {index}"
                : $"'{Name}' was written outside its {Count} elements, " +
                    $"{(i < start ? start - i : i - start - Elements.Length + 1)} bytes " +
                    $"{(i < start ? "before its first" : "behind its last")} one";
        }

        return null;
    }

    public double[] Read(byte[] bytes)
    {
        double[] values = new double[Count];
        for (int i = 0; i < values.Length; i++)
        {
            ReadOnlySpan<byte> at = bytes.AsSpan(start + (i * DType.Size()));
            values[i] = DType switch
            {
                DType.Float64 => MemoryMarshal.Read<double>(at),
                DType.Float32 => MemoryMarshal.Read<float>(at),
                DType.Float16 => (double)MemoryMarshal.Read<Half>(at),
                DType.BFloat16 => (float)MemoryMarshal.Read<BFloat16>(at),
                DType.Int32 => MemoryMarshal.Read<int>(at),
                DType.Int64 => MemoryMarshal.Read<long>(at),
                _ => at[0],
            };
        }

        return values;
    }

    /// <summary>Another buffer in the same memory, with the same bytes.</summary>
    public CaseOperand Copy() => new(this);

    public void Dispose() => block.Dispose();

    private void Write(int index, double value)
    {
        Span<byte> at = image.AsSpan(start + (index * DType.Size()));
        switch (DType)
        {
            case DType.Float64:
                MemoryMarshal.Write(at, value);
                break;
            case DType.Float32:
                MemoryMarshal.Write(at, (float)value);
                break;
            case DType.Float16:
                MemoryMarshal.Write(at, (Half)value);
                break;
            default:
                MemoryMarshal.Write(at, (BFloat16)(float)value);
                break;
        }
    }

    private void Upload()
    {
        fixed (byte* pointer = image)
        {
            memory.CopyFromHost((nint)pointer, block.Address, image.Length);
        }
    }
}
