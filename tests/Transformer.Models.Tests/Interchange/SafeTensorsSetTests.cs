using System.Text;
using Transformer.Models.Interchange;

namespace Transformer.Models.Tests.Interchange;

/// <summary>Models in several files: reading, writing, and indices that lie.</summary>
public sealed class SafeTensorsSetTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    private string Path => folder.File("model.safetensors");

    private string Index => Path + ".index.json";

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Files_AreCutAtTheSize_AndReadAsOne()
    {
        IReadOnlyList<string> files = Write(maxFileBytes: 40);
        Assert.Equal(
            [
                "model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors",
                "model-00003-of-00003.safetensors", "model.safetensors.index.json",
            ],
            files.Select(f => System.IO.Path.GetFileName(f)));
        using SafeTensorsSet set = SafeTensorsSet.Open(Path);
        Assert.Equal(Index, set.Path);
        Assert.Equal(["a", "b", "c", "d"], set.Tensors.Keys.Order());

        // 16 + 24 bytes; 80, more than the size, alone; 4.
        Assert.Equal(files[0], set.PathOf("a"));
        Assert.Equal(files[0], set.PathOf("b"));
        Assert.Equal(files[1], set.PathOf("c"));
        Assert.Equal(files[2], set.PathOf("d"));
        Assert.Equal(Enumerable.Range(0, 20).Select(i => i + 2f), set.ToSingles("c"));
        Assert.Equal([2, 3], set.Tensors["b"].Shape);
        Assert.Contains("\"total_size\": 124", File.ReadAllText(Index));
    }

    [Fact]
    public void OneFile_ReplacesSeveral_AndTheOtherWayRound()
    {
        Write(maxFileBytes: 40);
        Write(maxFileBytes: 0);
        using (SafeTensorsSet one = SafeTensorsSet.Open(Path)) Assert.Equal(Path, one.Path);
        Write(maxFileBytes: 40);
        Assert.False(File.Exists(Path));
        using SafeTensorsSet several = SafeTensorsSet.Open(Path);
        Assert.Equal(4, several.Tensors.Count);
    }

    [Theory]
    [InlineData("{\"weight_map\":{}}", "'weight_map' is empty")]
    [InlineData("{\"weights\":{}}", "no 'weight_map' object")]
    [InlineData("[]", "no 'weight_map' object")]
    [InlineData("{\"weight_map\":{\"a\":1}}", "tensor 'a' has no file name")]
    [InlineData("{\"weight_map\":{\"a\":\"../x.safetensors\"}}", "a file beside the index")]
    [InlineData("{\"weight_map\":{\"a\":\"C:x.safetensors\"}}", "a file beside the index")]
    [InlineData("{\"weight_map\":{\"a\":\"x\\\\y.safetensors\"}}", "a file beside the index")]
    [InlineData("{\"weight_map\":{\"a\":\"passwd\"}}", "a file beside the index")]
    [InlineData("{\"weight_map\":{\"a\":\"x.safetensors\",\"a\":\"y.safetensors\"}}", "not valid")]
    [InlineData("{\"weight_map\":", "not valid JSON")]
    [InlineData("", "not valid JSON")]
    public void BadIndices_AreNamed(string json, string expected)
    {
        File.WriteAllText(Index, json);
        InvalidDataException error =
            Assert.Throws<InvalidDataException>(() => SafeTensorsSet.Open(Path));
        Assert.StartsWith($"'{Index}' is no valid index of safetensors files: ", error.Message);
        Assert.Contains(expected, error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void IndicesThatDisagreeWithTheirFiles_AreNamed()
    {
        Write(maxFileBytes: 40);
        string json = File.ReadAllText(Index);
        Refused(json.Replace("\"a\":", "\"x\":", StringComparison.Ordinal), "no tensor 'x'");
        Refused(json.Replace(
            "\"d\": \"model-00003", "\"d\": \"model-00002", StringComparison.Ordinal),
            "'model-00002-of-00003.safetensors' holds no tensor 'd'");
        Refused(json.Replace(
            "\"a\": \"model-00001-of-00003.safetensors\",", "", StringComparison.Ordinal),
            "tensor 'a' of 'model-00001-of-00003.safetensors' is not listed");
        File.WriteAllText(Index, json);
        File.Delete(folder.File("model-00002-of-00003.safetensors"));
        Assert.Contains("model-00002-of-00003", Assert.Throws<FileNotFoundException>(
            () => SafeTensorsSet.Open(Path)).Message);
    }

    /// <summary>Whatever becomes of an index's bytes: refused in one line, or every tensor that is
    /// listed can be read.</summary>
    [Fact]
    public void DamagedIndices_AreRefusedOrRead()
    {
        Write(maxFileBytes: 40);
        byte[] whole = File.ReadAllBytes(Index);
        Random random = new(20240608);
        int accepted = 0;
        for (int round = 0; round < 1500; round++)
        {
            byte[] damaged = [.. whole];
            for (int count = random.Next(1, 4); count > 0; count--)
                damaged[random.Next(damaged.Length)] = (byte)random.Next(32, 127);
            if (random.Next(8) == 0) damaged = damaged[..random.Next(damaged.Length)];
            File.WriteAllBytes(Index, damaged);
            try
            {
                using SafeTensorsSet set = SafeTensorsSet.Open(Path);
                foreach (string name in set.Tensors.Keys) _ = set.ToSingles(name);
                accepted++;
            }
            catch (Exception e) when (e is InvalidDataException or FileNotFoundException)
            {
                Assert.DoesNotContain('\n', e.Message);
                Assert.Contains(folder.Path, e.Message);
            }
        }

        Assert.InRange(accepted, 1, 1000);
    }

    private void Refused(string json, string expected)
    {
        File.WriteAllText(Index, json, new UTF8Encoding(false));
        Assert.Contains(expected,
            Assert.Throws<InvalidDataException>(() => SafeTensorsSet.Open(Path)).Message);
    }

    private IReadOnlyList<string> Write(long maxFileBytes) => new SafeTensorsWriter()
        .SetMetadata("format", "pt")
        .Add<float>("a", new float[4], 4)
        .Add<float>("b", new float[6], 2, 3)
        .Add<float>("c", Enumerable.Range(0, 20).Select(i => i + 2f).ToArray(), 20)
        .Add<float>("d", new float[1])
        .Write(Path, maxFileBytes);
}
