using Transformer.Tensors;

namespace Transformer.Tests.Support;

/// <summary>
/// A host buffer between two guard regions. Outputs start as NaN, so that an element nobody wrote
/// is noticed; <see cref="KernelTest"/> checks the guards after each test.
/// </summary>
public sealed unsafe class TestBuffer
{
    private const int GuardBytes = 64;
    private const byte GuardValue = 0xA5;

    private readonly byte[] bytes;
    private readonly int size;

    public TestBuffer(long length, DType dtype)
    {
        size = checked((int)length * dtype.Size());
        bytes = GC.AllocateArray<byte>(size + (2 * GuardBytes), pinned: true);
        bytes.AsSpan().Fill(GuardValue);
        fixed (byte* start = bytes) View = new((nint)(start + GuardBytes), length, dtype);
    }

    public BufferView View { get; }

    public int Length => (int)View.Length;

    public double this[int index]
    {
        get => Get(View, index);
        set => Set(View, index, value);
    }

    /// <summary>Every element, widened to double.</summary>
    public double[] Values
    {
        get => [.. Enumerable.Range(0, Length).Select(i => this[i])];
        set
        {
            Assert.Equal(Length, value.Length);
            for (int i = 0; i < value.Length; i++) this[i] = value[i];
        }
    }

    public int[] Ints => View.AsSpan<int>().ToArray();

    public static implicit operator BufferView(TestBuffer? buffer) => buffer?.View ?? default;

    public void RequireGuards()
    {
        Assert.Equal(-1, bytes.AsSpan(0, GuardBytes).IndexOfAnyExcept(GuardValue));
        Assert.Equal(-1, bytes.AsSpan(GuardBytes + size).IndexOfAnyExcept(GuardValue));
    }

    private static double Get(BufferView view, int index) => view.DType switch
    {
        DType.Float64 => view.AsSpan<double>()[index],
        DType.Float32 => view.AsSpan<float>()[index],
        DType.Float16 => (double)view.AsSpan<Half>()[index],
        DType.BFloat16 => view.AsSpan<BFloat16>()[index],
        _ => throw new NotSupportedException(view.DType.ToString()),
    };

    private static void Set(BufferView view, int index, double value)
    {
        switch (view.DType)
        {
            case DType.Float64: view.AsSpan<double>()[index] = value; break;
            case DType.Float32: view.AsSpan<float>()[index] = (float)value; break;
            case DType.Float16: view.AsSpan<Half>()[index] = (Half)value; break;
            case DType.BFloat16: view.AsSpan<BFloat16>()[index] = (BFloat16)value; break;
            default: throw new NotSupportedException(view.DType.ToString());
        }
    }
}
