using Transformer.Models.Interchange;
using Transformer.Tensors;

namespace Transformer.Models.Tests.Interchange;

public sealed class AtomicFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private string OldFile()
    {
        string path = folder.File("model.safetensors");
        new SafeTensorsWriter().Add<float>("w", new[] { 1f, 2f }, 2).Write(path);
        return path;
    }

    private void AssertOldFileIsWhole(string path)
    {
        using SafeTensorsFile file = SafeTensorsFile.Open(path);
        Assert.Equal([1f, 2f], file.As<float>("w").ToArray());
        Assert.Equal(["model.safetensors"], folder.Names());
    }

    [Fact]
    public void ALink_StaysOne_AndADeviceIsWrittenTo()
    {
        // Links need a privilege there, and there is no /dev.
        if (OperatingSystem.IsWindows()) return;
        string file = folder.File("file"), link = folder.File("link");
        File.WriteAllText(file, "old");
        File.CreateSymbolicLink(link, file);
        AtomicFile.Write(link, stream => stream.Write("new"u8));
        Assert.Equal("new", File.ReadAllText(file));
        Assert.Equal(file, new FileInfo(link).LinkTarget);
        Assert.Equal(["file", "link"], folder.Names());
        AtomicFile.Write("/dev/null", stream => stream.Write("gone"u8));
        Assert.Equal(0, new FileInfo("/dev/null").Length);
        Assert.False(File.Exists("/dev/null.tmp"));
    }

    [Fact]
    public void DiskFullMidway_LeavesTheOldFile()
    {
        string path = OldFile();
        SafeTensorsWriter writer = new SafeTensorsWriter()
            .Add<float>("w", new float[1000], 1000)
            .Add("late", DType.UInt8, [7], () => throw new IOException("No space left on device"));
        var error = Assert.Throws<IOException>(() => writer.Write(path));
        Assert.Contains("Could not write", error.Message);
        Assert.Contains(path, error.Message);
        Assert.Matches(@"\(\d+ bytes needed\): No space left", error.Message);
        AssertOldFileIsWhole(path);
    }

    [Fact]
    public void MoreThanTheDiskHolds_FailsWithoutTouchingTheOldFile()
    {
        string path = OldFile();
        // Where the file system cannot reserve space, the provider stands for its refusal.
        SafeTensorsWriter writer = new SafeTensorsWriter()
            .Add("w", DType.UInt8, [1L << 55], () => throw new IOException("no space"));
        var error = Assert.Throws<IOException>(() => writer.Write(path));
        Assert.Matches(@"\(36028797018\d+ bytes needed\)", error.Message);
        AssertOldFileIsWhole(path);
    }

    [Fact]
    public void OtherFailure_LeavesTheOldFileAndKeepsItsType()
    {
        string path = OldFile();
        SafeTensorsWriter writer = new SafeTensorsWriter()
            .Add("w", DType.Float32, [2], () => new byte[7]);
        Assert.Contains("gave 7 bytes; expected 8",
            Assert.Throws<InvalidOperationException>(() => writer.Write(path)).Message);
        AssertOldFileIsWhole(path);
    }

    [Fact]
    public void MissingFolderAndFolderAsTarget_AreIOExceptions()
    {
        Assert.Throws<IOException>(
            () => AtomicFile.Write(folder.File("none/a"), stream => stream.WriteByte(1)));
        var error = Assert.Throws<IOException>(
            () => AtomicFile.Write(folder.Path, stream => stream.WriteByte(1)));
        Assert.Contains("a folder has this name", error.Message);
        Assert.Empty(folder.Names());
    }

    [Fact]
    public void LeftoverTemporary_IsReplaced()
    {
        string path = folder.File("a");
        File.WriteAllText(path + ".tmp", "left by a process that was killed");
        AtomicFile.Write(path, stream => stream.Write("new"u8));
        Assert.Equal("new", File.ReadAllText(path));
        Assert.Equal(["a"], folder.Names());
    }
}
