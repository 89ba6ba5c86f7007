using Transformer.Models.Interchange;
using Transformer.Tensors;

namespace Transformer.Cli.Tests.Commands.Run;

/// <summary>The .npy files of one test, in a folder of their own.</summary>
public sealed class RunFiles : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public string this[string name] => folder[name];

    public string Folder => folder.Path;

    /// <summary>Numbers that binary16 and bfloat16 hold exactly: quarters from −2 to 2.</summary>
    public static double[] Random(int seed, int count)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(-8, 9) / 4.0)];
    }

    public string Floats(string name, double[] values, params long[] shape)
    {
        NpyFile.Write<float>(folder[name], Array.ConvertAll(values, v => (float)v), shape);
        return folder[name];
    }

    public string Halves(string name, double[] values, params long[] shape)
    {
        NpyFile.Write<Half>(folder[name], Array.ConvertAll(values, v => (Half)v), shape);
        return folder[name];
    }

    public string BFloats(string name, double[] values, params long[] shape)
    {
        NpyFile.Write<BFloat16>(
            folder[name], Array.ConvertAll(values, v => (BFloat16)(float)v), shape);
        return folder[name];
    }

    public string Ints(string name, int[] values, params long[] shape)
    {
        NpyFile.Write<int>(folder[name], values, shape);
        return folder[name];
    }

    public string Longs(string name, long[] values, params long[] shape)
    {
        NpyFile.Write<long>(folder[name], values, shape);
        return folder[name];
    }

    public string Bools(string name, bool[] values, params long[] shape)
    {
        NpyFile.Write<bool>(folder[name], values, shape);
        return folder[name];
    }

    /// <summary>The values of a result, which must have the shape and type.</summary>
    public double[] Read(string name, long[] shape, DType type = DType.Float32)
    {
        NpyArray array = NpyFile.Read(folder[name], asBFloat16: type == DType.BFloat16);
        Assert.Equal(type, array.DType);
        Assert.Equal(shape, array.Shape);
        return Array.ConvertAll(array.ToSingles(), v => (double)v);
    }

    /// <summary>Requires a result to be what is expected.</summary>
    /// <param name="name">The file.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="expected">The values in double.</param>
    /// <param name="type">The type it must be stored as. A kernel in binary32 errs by less than
    /// 1e-5 on sums of some tens of terms below 10; storing adds half a unit in the last place.
    /// </param>
    public void Holds(
        string name, long[] shape, double[] expected, DType type = DType.Float32)
    {
        double unit = type switch
        {
            DType.Float16 => 1.0 / 2048,
            DType.BFloat16 => 1.0 / 256,
            _ => 0,
        };
        double[] actual = Read(name, shape, type);
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            bool close = double.IsFinite(expected[i])
                ? Math.Abs(actual[i] - expected[i]) <= 1e-5 + (unit * Math.Abs(expected[i]))
                : actual[i].Equals(expected[i]);
            Assert.True(close, $"{name}[{i}] is {actual[i]}; expected {expected[i]}");
        }
    }

    public void Dispose()
    {
        Assert.Empty(Directory.GetFiles(folder.Path, "*.tmp"));
        folder.Dispose();
    }
}
