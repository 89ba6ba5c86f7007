using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Kernels.Ilgpu.Tests;

/// <summary>The shapes of launches and what goes with them; nothing runs.</summary>
public sealed class LaunchTests
{
    private static readonly AttentionSizes Sizes = new(1, 2, 2, 5, 7, 8, 8);

    private long next = 1 << 20;

    /// <summary>Along y a grid has 65,535 groups at most.</summary>
    [Fact]
    public void Product_OfAnyWidthIsOneRowOfGroups()
    {
        const int width = 70_000_000, rows = 3;
        IdleQueue queue = new();
        new IlgpuBackend("idle", -1, queue).Run(new LinearForward
        {
            Input = Elements(rows), Weight = Elements(width), Output = Elements(rows * (long)width),
            Rows = rows, InputFeatures = 1, OutputFeatures = width,
        });
        LaunchShape shape = queue.Launched["Product.GroupPerTile"];
        Assert.Equal(1, shape.GroupsY);
        Assert.Equal(width / 64, shape.Groups); // 64 columns each
    }

    [Fact]
    public void Attention_WithMoreGroupsThanALaunchTakesIsRefused()
    {
        IlgpuBackend backend = new("idle", -1, new IdleQueue());
        // 2¹⁶·2⁵ heads, 2¹¹ tiles of 64 queries each.
        AttentionInputs inputs = new() { Sizes = new(1 << 16, 32, 32, 1 << 17, 64, 8, 8) };
        Refused(4_294_967_296, backend.Supports(
            new AttentionForward { Inputs = inputs }, out string? reason), reason);
        Refused(4_294_967_296, backend.Supports(
            new AttentionBackward { Inputs = inputs }, out reason), reason);
        // 2¹² tiles of 32 keys.
        inputs = new() { Sizes = new(1 << 16, 32, 32, 64, 1 << 17, 8, 8) };
        Refused(8_589_934_592, backend.Supports(
            new AttentionBackward { Inputs = inputs }, out reason), reason);
        // The scores are written by a group a query.
        inputs = new() { Sizes = new(1 << 16, 32, 32, 1 << 10, 64, 8, 8) };
        Assert.True(backend.Supports(new AttentionForward { Inputs = inputs }, out _));
        Refused(2_147_483_648, backend.Supports(
            new AttentionForward { Inputs = inputs, Scores = Elements(1) }, out reason), reason);
    }

    /// <summary>As OpenCL's do: threads are counted there, not groups.</summary>
    [Fact]
    public void DevicesWithSmallGrids_LoopOrRefuse()
    {
        IdleQueue queue = new() { Chosen = new(32, 1024, 48 << 10, 108, GridThreads: 1024) };
        IlgpuBackend backend = new("idle", -1, queue);
        backend.Run(new AddForward
        {
            Left = Elements(10_000), Right = Elements(10_000), Output = Elements(10_000),
            Length = 10_000,
        });
        Assert.Equal(new(4, 256), queue.Launched["AddKernel.ThreadPerFour"]);

        string message = Assert.Throws<NotSupportedException>(() => backend.Run(
            new RmsNormForward
            {
                Input = Elements(33 * 8), Output = Elements(33 * 8), Rows = 33, Width = 8,
            })).Message;
        Assert.Equal("ILGPU: kernel NormForward.GroupPerRow needs 33 groups of 32 threads; a " +
            "launch on nothing takes up to 32. Split the call.", message);
    }

    [Fact]
    public void RelativeBuckets_AreUploadedOnceForEachSetting()
    {
        IdleQueue queue = new();
        IlgpuBackend backend = new("idle", -1, queue);
        for (int i = 0; i < 3; i++) Attend(backend, new(32, 128, true));
        Assert.Equal((1, 1), (queue.Uploads, queue.Blocks));
        for (int i = 0; i < 3; i++) Attend(backend, new(32, 128, false));
        Attend(backend, new(32, 128, true));
        Assert.Equal((2, 2), (queue.Uploads, queue.Blocks));
    }

    [Fact]
    public void RelativeBuckets_ThatCouldNotBeUploadedLeaveNothingBehind()
    {
        IdleQueue queue = new();
        IlgpuBackend backend = new("idle", -1, queue);
        queue.FailNextUpload();
        Assert.Throws<InvalidOperationException>(() => Attend(backend, new(32, 128, true)));
        Assert.Equal(0, queue.Blocks);
        Attend(backend, new(32, 128, true));
        Assert.Equal((1, 1), (queue.Uploads, queue.Blocks));
    }

    private static void Refused(long groups, bool supported, string? reason)
    {
        Assert.False(supported);
        Assert.Equal($"needs {groups} groups of threads, of which a launch takes up to " +
            "2147483647; split the batch", reason);
    }

    private void Attend(IlgpuBackend backend, RelativePositionBuckets buckets)
    {
        AttentionSizes s = Sizes;
        AttentionInputs inputs = new()
        {
            Query = Elements(s.QueryHeads * s.QueryLength * s.HeadDimension),
            Key = Elements(s.KeyValueHeads * s.KeyLength * s.HeadDimension),
            Value = Elements(s.KeyValueHeads * s.KeyLength * s.ValueDimension),
            RelativeBias = Elements(buckets.Count * s.QueryHeads),
            Sizes = s,
            Options = new() { RelativeBuckets = buckets },
        };
        BufferView output = Elements(s.QueryHeads * s.QueryLength * s.ValueDimension);
        BufferView sums = Elements(s.QueryHeads * s.QueryLength);
        backend.Run(new AttentionForward { Inputs = inputs, Output = output, LogSumExp = sums });
        backend.Run(new AttentionBackward
        {
            Inputs = inputs, Output = output, LogSumExp = sums, OutputGradient = output,
            QueryGradient = Elements(inputs.Query.Length),
            KeyGradient = Elements(inputs.Key.Length),
            ValueGradient = Elements(inputs.Value.Length),
        });
    }

    // Floats that nothing reads or writes.
    private BufferView Elements(long count)
    {
        nint address = (nint)next;
        next += ((count * sizeof(float)) + 63) / 64 * 64;
        return new(address, count, DType.Float32);
    }
}
