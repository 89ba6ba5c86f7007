using System.Runtime.InteropServices;
using FsCheck;
using FsCheck.Fluent;
using Transformer.Models.Interchange;
using Transformer.Tensors;

namespace Transformer.Models.Tests.Interchange;

/// <summary>Whatever is written is read back bit for bit.</summary>
public sealed class InterchangePropertyTests : IDisposable
{
    private static readonly DType[] Types = Enum.GetValues<DType>();

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private sealed record Sample(DType DType, long[] Shape, byte[] Data);

    private static Gen<Sample> Samples() =>
        from dtype in Gen.Elements(Types)
        from rank in Gen.Choose(0, 5)
        from shape in Gen.ArrayOf(Gen.Choose(0, 4), rank)
        from seed in Gen.Choose(0, int.MaxValue)
        select Create(dtype, [.. shape.Select(axis => (long)axis)], seed);

    private static Sample Create(DType dtype, long[] shape, int seed)
    {
        byte[] data = new byte[shape.Aggregate(1L, (a, b) => a * b) * dtype.Size()];
        new Random(seed).NextBytes(data);
        if (dtype == DType.Bool)
            foreach (ref byte value in data.AsSpan()) value &= 1;
        return new Sample(dtype, shape, data);
    }

    private static void Check<T>(Gen<T> samples, Func<T, bool> property) =>
        Prop.ForAll(samples.ToArbitrary(), property)
            .Check(Config.QuickThrowOnFailure.WithMaxTest(300).WithReplay(41, 43));

    [Fact]
    public void SafeTensors_RoundTrip() =>
        Check(from count in Gen.Choose(0, 6)
              from samples in Gen.ArrayOf(Samples(), count)
              select samples, samples =>
        {
            string path = folder.File("p.safetensors");
            SafeTensorsWriter writer = new();
            for (int i = 0; i < samples.Length; i++)
            {
                byte[] data = samples[i].Data;
                writer.Add($"t{i}", samples[i].DType, samples[i].Shape, () => data);
            }
            writer.Write(path);
            using SafeTensorsFile file = SafeTensorsFile.Open(path);
            return file.Tensors.Count == samples.Length && samples.Select((sample, i) =>
                file.Tensors[$"t{i}"].DType == sample.DType
                && file.Tensors[$"t{i}"].Shape.SequenceEqual(sample.Shape)
                && file.Bytes($"t{i}").SequenceEqual(sample.Data)).All(same => same);
        });

    [Fact]
    public void Npy_RoundTrip() => Check(Samples(), sample =>
    {
        string path = folder.File("p.npy");
        switch (sample.DType)
        {
            case DType.Float32: Write<float>(path, sample); break;
            case DType.Float16: Write<Half>(path, sample); break;
            case DType.BFloat16: Write<BFloat16>(path, sample); break;
            case DType.Float64: Write<double>(path, sample); break;
            case DType.Int32: Write<int>(path, sample); break;
            case DType.Int64: Write<long>(path, sample); break;
            case DType.UInt8: Write<byte>(path, sample); break;
            default: Write<bool>(path, sample); break;
        }
        NpyArray array = NpyFile.Read(path, asBFloat16: sample.DType == DType.BFloat16);
        return array.DType == sample.DType && array.Shape.SequenceEqual(sample.Shape)
            && array.Data.AsSpan().SequenceEqual(sample.Data);
    });

    private static void Write<T>(string path, Sample sample) where T : unmanaged =>
        NpyFile.Write(path, MemoryMarshal.Cast<byte, T>(sample.Data), sample.Shape);
}
