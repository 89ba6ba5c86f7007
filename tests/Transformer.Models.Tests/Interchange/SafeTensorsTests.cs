using System.Buffers.Binary;
using System.Text;
using Transformer.Models.Interchange;
using Transformer.Tensors;

namespace Transformer.Models.Tests.Interchange;

public sealed class SafeTensorsTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    /// <summary>A file with the given header and zeros for data.</summary>
    private string Raw(string header, int dataLength)
    {
        byte[] text = Encoding.UTF8.GetBytes(header);
        byte[] file = new byte[8 + text.Length + dataLength];
        BinaryPrimitives.WriteInt64LittleEndian(file, text.Length);
        text.CopyTo(file, 8);
        string path = folder.File("raw.safetensors");
        File.WriteAllBytes(path, file);
        return path;
    }

    [Fact]
    public void WriteThenRead_EveryTypeAndMetadata()
    {
        string path = folder.File("all.safetensors");
        new SafeTensorsWriter()
            .SetMetadata("épreuve \"1\"", "Привет\n")
            .Add<bool>("mask", new[] { true, false, true }, 3)
            .Add<float>("weights/a.b", new[] { 1.5f, float.NaN }, 2, 1)
            .Add<Half>("half", new[] { (Half)0.5f }, 1)
            .Add<BFloat16>("brain", new[] { (BFloat16)3f }, 1)
            .Add<double>("scalar", new[] { Math.PI })
            .Add<int>("ids", new[] { -1, 2 }, 1, 2)
            .Add<long>("wide", new[] { long.MinValue }, 1)
            .Add<byte>("bytes", new byte[] { 255 }, 1)
            .Add<float>("empty", Array.Empty<float>(), 0, 7)
            .Write(path);
        using SafeTensorsFile file = SafeTensorsFile.Open(path);
        Assert.Equal(9, file.Tensors.Count);
        Assert.Equal("Привет\n", file.Metadata["épreuve \"1\""]);
        Assert.Equal([true, false, true], file.As<bool>("mask").ToArray());
        Assert.Equal([1.5f, float.NaN], file.As<float>("weights/a.b").ToArray());
        Assert.Equal([2L, 1L], file.Tensors["weights/a.b"].Shape);
        Assert.Equal([0.5f], file.ToSingles("half"));
        Assert.Equal([3f], file.ToSingles("brain"));
        Assert.Equal([(float)Math.PI], file.ToSingles("scalar"));
        Assert.Equal(Math.PI, file.As<double>("scalar")[0]);
        Assert.Empty(file.Tensors["scalar"].Shape);
        Assert.Equal([-1, 2], file.As<int>("ids").ToArray());
        Assert.Equal([long.MinValue], file.As<long>("wide").ToArray());
        Assert.Equal([(byte)255], file.Bytes("bytes").ToArray());
        Assert.Equal(0, file.Bytes("empty").Length);
        foreach (SafeTensorInfo info in file.Tensors.Values.Where(t => t.Elements > 0))
            Assert.Equal(0, info.Offset % info.DType!.Value.Size());
        Assert.Equal(0, file.Tensors.Values.Min(t => t.Offset) % 64);
        Assert.Equal(["all.safetensors"], folder.Names());
    }

    [Fact]
    public unsafe void Write_FromAddressesAndProviders()
    {
        string path = folder.File("b.safetensors");
        int[] numbers = [1, 2, 3];
        fixed (int* address = numbers)
            new SafeTensorsWriter()
                .Add("pointer", DType.Int32, [3], (nint)address)
                .Add("provider", DType.UInt8, [2], () => new byte[] { 4, 5 })
                .Write(path);
        using SafeTensorsFile file = SafeTensorsFile.Open(path);
        Assert.Equal(numbers, file.As<int>("pointer").ToArray());
        Assert.Equal([4, 5], file.As<byte>("provider").ToArray());
        (nint mapped, long length) = file.Map("pointer");
        Assert.Equal(12, length);
        Assert.Equal(3, ((int*)mapped)[2]);
    }

    [Fact]
    public void Write_SameCallsSameBytes()
    {
        byte[][] files = [.. new[] { "1", "2" }.Select(name =>
        {
            new SafeTensorsWriter().SetMetadata("step", "3").Add<float>("w", new[] { 1f }, 1)
                .Write(folder.File(name));
            return File.ReadAllBytes(folder.File(name));
        })];
        Assert.Equal(files[0], files[1]);
    }

    [Fact]
    public void Writer_RefusesBadTensors()
    {
        SafeTensorsWriter writer = new();
        Assert.Throws<ArgumentException>(() => writer.Add<float>("a", new float[5], 2, 3));
        writer.Add<float>("a", new float[6], 2, 3);
        Assert.Contains("'a' is used already", Assert.Throws<ArgumentException>(
            () => writer.Add<float>("a", new float[6], 6)).Message);
        Assert.Throws<ArgumentException>(() => writer.Add<float>("__metadata__", new float[1], 1));
        Assert.Throws<ArgumentException>(() => writer.Add("n", DType.Int32, [-1], 1));
        Assert.Throws<ArgumentException>(() => writer.Add("n", DType.Int64, [1L << 60, 1], 1));
        Assert.Throws<ArgumentException>(() => writer.Add("n", DType.Int64, [1], 0));
    }

    [Theory]
    [InlineData("{}", 0, null)]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}  ", 8, null)]
    [InlineData("{\"a\":{\"dtype\":\"I8\",\"shape\":[2],\"data_offsets\":[0,2],\"x\":[{}]}}", 2,
        null)]
    [InlineData("{\"__metadata__\":{}}", 0, null)]
    [InlineData("", 0, "does not start with '{'")]
    [InlineData(" {}", 0, "does not start with '{'")]
    [InlineData("[]", 0, "does not start with '{'")]
    [InlineData("{}x", 0, "not valid JSON")]
    [InlineData("{", 0, "not valid JSON")]
    [InlineData("{\"a\":1}", 0, "tensor 'a' is Number")]
    [InlineData("{\"a\":{}}", 0, "no dtype")]
    [InlineData("{\"a\":{\"dtype\":\"F32\"}}", 0, "no shape")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}", 0, "no data_offsets")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0]}}", 4, "expected 2")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[4,0]}}", 4, "4..0")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, "0..8 of 7")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 9, "cover 8")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[1,9]}}", 9, "a hole")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, "takes 12")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, "entry -2")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,8]}}", 8,
        "entry 1.5")]
    [InlineData(
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}",
        0, "overflows")]
    [InlineData(
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}",
        0, "overflows")]
    [InlineData("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}," +
        "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}", 3, "an overlap")]
    [InlineData("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}," +
        "\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}", 4, "not valid JSON")]
    [InlineData("{\"__metadata__\":{\"a\":1}}", 0, "metadata 'a'")]
    [InlineData("{\"__metadata__\":[]}", 0, "object of strings")]
    [InlineData("{\"\\ud800\":{}}", 0, "not valid JSON")]
    public void Header_EveryFaultIsNamed(string header, int dataLength, string? fault)
    {
        string path = Raw(header, dataLength);
        if (fault is null)
        {
            SafeTensorsFile.Open(path).Dispose();
            return;
        }
        var error = Assert.Throws<InvalidDataException>(() => SafeTensorsFile.Open(path));
        Assert.Contains(fault, error.Message);
        Assert.Contains("raw.safetensors", error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [InlineData(new byte[0])]
    [InlineData(new byte[] { 1, 0, 0, 0, 0, 0, 0 })]
    [InlineData(new byte[] { 1, 0, 0, 0, 0, 0, 0, 0 })]
    [InlineData(new byte[] { 255, 255, 255, 255, 255, 255, 255, 255, 123, 125 })]
    [InlineData(new byte[] { 2, 0, 0, 0, 1, 0, 0, 0, 123, 125 })]
    public void Prefix_TooShortOrTooLong(byte[] content)
    {
        string path = folder.File("short.safetensors");
        File.WriteAllBytes(path, content);
        Assert.Throws<InvalidDataException>(() => SafeTensorsFile.Open(path));
    }

    [Fact]
    public void Access_FaultsAreNamed()
    {
        string header = "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[2],\"data_offsets\":[0,2]}," +
            "\"b\":{\"dtype\":\"NEW\",\"shape\":[9],\"data_offsets\":[2,4]}," +
            "\"c\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[4,5]}}";
        string path = Raw(header, 5);
        byte[] bytes = File.ReadAllBytes(path);
        bytes[^1] = 2;
        File.WriteAllBytes(path, bytes);
        SafeTensorsFile file = SafeTensorsFile.Open(path);
        Assert.Null(file.Tensors["a"].DType);
        Assert.Equal("NEW", file.Tensors["b"].TypeName);
        Assert.Contains("F8_E4M3",
            Assert.Throws<NotSupportedException>(() => file.Bytes("a").Length).Message);
        Assert.Throws<NotSupportedException>(() => file.Map("b"));
        Assert.Contains("other than 0 and 1",
            Assert.Throws<InvalidDataException>(() => file.As<bool>("c").Length).Message);
        Assert.Contains("holds Bool; expected Int32",
            Assert.Throws<InvalidDataException>(() => file.As<int>("c").Length).Message);
        Assert.Contains("no tensor 'd'",
            Assert.Throws<InvalidDataException>(() => file.Bytes("d").Length).Message);
        file.Dispose();
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.Bytes("c").Length);
    }

    [Fact]
    public unsafe void TensorPast2GiB_IsReachedByAddress()
    {
        // The data are a hole in the file: nothing is stored for them.
        const long Large = (1L << 31) + 16;
        string path = Raw($"{{\"large\":{{\"dtype\":\"U8\",\"shape\":[{Large}],\"data_offsets\":" +
            $"[0,{Large}]}},\"small\":{{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":" +
            $"[{Large},{Large + 4}]}}}}", 0);
        using (FileStream stream = new(path, FileMode.Open))
        {
            stream.SetLength(stream.Length + Large);
            stream.Position = stream.Length;
            stream.Write([42, 0, 0, 0]);
        }
        using SafeTensorsFile file = SafeTensorsFile.Open(path);
        var error = Assert.Throws<NotSupportedException>(() => file.Bytes("large").Length);
        Assert.Contains($"{Large} bytes", error.Message);
        Assert.Contains("Use Map", error.Message);
        Assert.Throws<NotSupportedException>(() => file.As<byte>("large").Length);
        Assert.Equal(42, file.As<int>("small")[0]);
        (nint address, long length) = file.Map("large");
        Assert.Equal(Large, length);
        Assert.Equal(0, ((byte*)address)[Large - 1]);
        Assert.Equal(42, ((byte*)address)[Large]);
    }
}
