using Transformer.Models.Interchange;

namespace Transformer.Models.Tests.Interchange;

/// <summary>Damaged files are refused with InvalidDataException and nothing else.</summary>
public sealed class InterchangeFuzzTests : IDisposable
{
    private const int Rounds = 4000;

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void SafeTensors_DamagedHeaders()
    {
        string path = folder.File("fuzz.safetensors");
        new SafeTensorsWriter().SetMetadata("format", "pt")
            .Add<float>("layer.weight", new float[6], 2, 3)
            .Add<long>("ids", new long[2], 2)
            .Add<byte>("empty", Array.Empty<byte>(), 0)
            .Write(path);
        byte[] whole = File.ReadAllBytes(path);
        int accepted = Damage(path, whole, whole.Length - 40, () =>
        {
            using SafeTensorsFile file = SafeTensorsFile.Open(path);
            foreach (SafeTensorInfo info in file.Tensors.Values)
            {
                // Whatever is accepted lies inside the file and can be read to its last byte.
                Assert.InRange(info.Offset, 8, whole.Length);
                Assert.InRange(info.Offset + info.ByteLength, 8, whole.Length);
                if (info.DType is not null) _ = Sum(file.Bytes(info.Name));
            }
        });
        Assert.InRange(accepted, 1, Rounds / 2);
    }

    [Fact]
    public void Npy_DamagedHeaders()
    {
        string path = folder.File("fuzz.npy");
        NpyFile.Write<float>(path, new float[6], [2, 3]);
        byte[] whole = File.ReadAllBytes(path);
        int accepted = Damage(path, whole, whole.Length - 24, () =>
        {
            NpyArray array = NpyFile.Read(path);
            Assert.Equal(array.Shape.Aggregate(1L, (a, b) => a * b), array.Length);
            Assert.Equal(24, array.Data.Length);
        });
        Assert.InRange(accepted, 1, Rounds / 2);
    }

    /// <summary>
    /// Reads thousands of damaged copies, always the same ones, and counts those that pass (an
    /// altered name or space does no harm).
    /// </summary>
    private static int Damage(string path, byte[] whole, int headerLength, Action read)
    {
        Random random = new(20240607);
        int accepted = 0;
        long most = 0;
        for (int round = 0; round < Rounds; round++)
        {
            File.WriteAllBytes(path, Mutate(whole, headerLength, random));
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                read();
                accepted++;
            }
            catch (InvalidDataException e)
            {
                Assert.Contains(path, e.Message);
                Assert.DoesNotContain('\n', e.Message);
                Assert.InRange(e.Message.Length, path.Length, path.Length + 1000);
            }
            most = Math.Max(most, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        // A file of a few hundred bytes needs some buffers; more would be a size that it merely
        // claims.
        Assert.InRange(most, 1, 1 << 20);
        return accepted;
    }

    private static byte[] Mutate(byte[] whole, int headerLength, Random random)
    {
        const string Marks = "{}[]()\",:'0123456789-.eE \\u<>|";
        List<byte> bytes = [.. whole];
        for (int count = random.Next(1, 4); count > 0; count--)
        {
            int at = random.Next(Math.Min(headerLength, bytes.Count));
            switch (random.Next(6))
            {
                case 0: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                case 1: bytes[at] = (byte)random.Next(256); break;
                case 2: bytes[at] = (byte)Marks[random.Next(Marks.Length)]; break;
                case 3: bytes.Insert(at, (byte)Marks[random.Next(Marks.Length)]); break;
                case 4: bytes.RemoveRange(at, Math.Min(random.Next(1, 9), bytes.Count - at)); break;
                default: bytes.RemoveRange(at, bytes.Count - at); break;
            }
            if (bytes.Count == 0) break;
        }
        return [.. bytes];
    }

    private static int Sum(ReadOnlySpan<byte> bytes)
    {
        int sum = 0;
        foreach (byte value in bytes) sum += value;
        return sum;
    }
}
