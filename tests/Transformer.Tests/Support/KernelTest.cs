using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Tests.Support;

/// <summary>
/// Makes buffers for op calls, keeps them alive for the test and checks their guards at its end.
/// </summary>
public abstract class KernelTest : IDisposable
{
    private readonly List<TestBuffer> buffers = [];

    protected static Backend Reference => BackendRegistry.Reference;

    /// <summary>Real numbers, stored as <paramref name="dtype"/>.</summary>
    public TestBuffer Real(double[] values, DType dtype = DType.Float64)
    {
        TestBuffer buffer = Keep(new(values.Length, dtype));
        buffer.Values = values;
        return buffer;
    }

    /// <summary>An output: NaN everywhere.</summary>
    public TestBuffer Output(long length, DType dtype = DType.Float64) =>
        Real([.. Enumerable.Repeat(double.NaN, (int)length)], dtype);

    /// <summary>A parameter's gradient: zeros, to be added to.</summary>
    public TestBuffer Zeros(long length, DType dtype = DType.Float64) =>
        Real(new double[length], dtype);

    public TestBuffer Ints(params int[] values)
    {
        TestBuffer buffer = Keep(new(values.Length, DType.Int32));
        values.CopyTo(buffer.View.AsSpan<int>());
        return buffer;
    }

    public TestBuffer Longs(params long[] values)
    {
        TestBuffer buffer = Keep(new(values.Length, DType.Int64));
        values.CopyTo(buffer.View.AsSpan<long>());
        return buffer;
    }

    public TestBuffer Bools(params bool[] values)
    {
        TestBuffer buffer = Keep(new(values.Length, DType.Bool));
        values.CopyTo(buffer.View.AsSpan<bool>());
        return buffer;
    }

    public void Dispose()
    {
        GC.SuppressFinalize(this);
        foreach (TestBuffer buffer in buffers) buffer.RequireGuards();
    }

    /// <summary>Requires the reference to reject a call with exactly this message.</summary>
    protected static void Rejects<TCall>(in TCall call, string message)
        where TCall : struct, IOpCall
    {
        TCall copy = call;
        ArgumentException error = Assert.ThrowsAny<ArgumentException>(() => Reference.Run(copy));
        Assert.Equal(message, error.Message);
    }

    private TestBuffer Keep(TestBuffer buffer)
    {
        buffers.Add(buffer);
        return buffer;
    }
}
