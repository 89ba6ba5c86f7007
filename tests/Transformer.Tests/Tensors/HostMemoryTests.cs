using Transformer.Tensors;

namespace Transformer.Tests.Tensors;

public unsafe class HostMemoryTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4096)]
    [InlineData(4097)]
    [InlineData(5120)]
    [InlineData(100_000)]
    [InlineData(1 << 20)]
    [InlineData((1 << 20) + 1)]
    public void Blocks_AreAlignedAndWasteAtMostAQuarter(long bytes)
    {
        using HostBlock block = HostMemory.Rent(bytes);
        Assert.Equal(0, block.Address % HostMemory.Alignment);
        Assert.InRange(block.Size, bytes, Math.Max(4096, bytes * 5 / 4));
        new Span<byte>((void*)block.Address, (int)block.Size).Fill(0xFF);
    }

    [Fact]
    public void ReturnedBlocks_AreRentedAgain()
    {
        // A size that no other test uses, so that they cannot take the block in between.
        const long Bytes = 7_340_032;
        HostBlock first = HostMemory.Rent(Bytes);
        first.Dispose();
        using HostBlock second = HostMemory.Rent(Bytes - 1);
        Assert.Equal(first.Address, second.Address);
    }

    [Fact]
    public void ManyThreads_NeverShareABlock()
    {
        Parallel.For(0, 16, worker =>
        {
            for (int round = 0; round < 200; round++)
            {
                using HostBlock block = HostMemory.Rent(4096 + (round % 7 * 1000));
                Span<int> span = new((void*)block.Address, 1024);
                span.Fill(worker);
                Thread.Yield();
                Assert.Equal(-1, span.IndexOfAnyExcept(worker));
            }
        });
    }

    [Fact]
    public void NegativeSizes_AreRejected() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => HostMemory.Rent(-1));

    [Fact]
    public void Rent_RefusesMoreThanAnyMachineHas() =>
        Assert.ThrowsAny<OutOfMemoryException>(() => HostMemory.Rent(long.MaxValue));

    [Fact]
    public void Tensors_AreClearedCopiedAndDisposed()
    {
        Tensor tensor = new(new(2, 3));
        Assert.Equal(new float[6], tensor.AsSpan<float>().ToArray());
        tensor.CopyFrom<float>([1, 2, 3, 4, 5, 6]);
        float[] copy = new float[6];
        tensor.CopyTo<float>(copy);
        Assert.Equal([1f, 2, 3, 4, 5, 6], copy);
        ArgumentException error =
            Assert.Throws<ArgumentException>(() => tensor.CopyFrom<float>([1, 2]));
        Assert.Equal("Tensor: 2 elements given; [2, 3] holds 6.", error.Message);
        tensor.Dispose();
        tensor.Dispose();
        Assert.Throws<ObjectDisposedException>(() => tensor.View);
    }
}
