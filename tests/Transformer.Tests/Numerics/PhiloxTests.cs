using Transformer.Numerics;

namespace Transformer.Tests.Numerics;

public class PhiloxTests
{
    /// <summary>The known answers that the generator's authors publish for philox4x32-10: counter,
    /// key, result.</summary>
    [Theory]
    [InlineData(
        new uint[] { 0, 0, 0, 0 }, new uint[] { 0, 0 },
        new uint[] { 0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8 })]
    [InlineData(
        new uint[] { 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF },
        new uint[] { 0xFFFFFFFF, 0xFFFFFFFF },
        new uint[] { 0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD })]
    [InlineData(
        new uint[] { 0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344 },
        new uint[] { 0xA4093822, 0x299F31D0 },
        new uint[] { 0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1 })]
    public void Block_GivesTheKnownAnswers(uint[] counter, uint[] key, uint[] expected)
    {
        (uint x, uint y, uint z, uint w) = Philox.Block(
            counter[0], counter[1], counter[2], counter[3], key[0], key[1]);
        Assert.Equal((expected[0], expected[1], expected[2], expected[3]), (x, y, z, w));
    }

    [Fact]
    public void Word_LaysOutCounterAndKey()
    {
        // Counter: block number (two words), step, stream; key: the seed, low word first.
        ulong seed = 0x299F31D0A4093822;
        ulong block = 0x85A308D3243F6A88 & 0x3FFFFFFFFFFFFFFF;
        (uint x, uint y, uint z, uint w) = Philox.Block(
            (uint)block, (uint)(block >> 32), 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0);
        uint[] words =
        [
            Philox.Word(seed, 0x03707344, 0x13198A2E, block * 4),
            Philox.Word(seed, 0x03707344, 0x13198A2E, (block * 4) + 1),
            Philox.Word(seed, 0x03707344, 0x13198A2E, (block * 4) + 2),
            Philox.Word(seed, 0x03707344, 0x13198A2E, (block * 4) + 3),
        ];
        Assert.Equal(new[] { x, y, z, w }, words);
    }

    [Theory]
    [InlineData(0u, 0f)]
    [InlineData(255u, 0f)]
    [InlineData(256u, 1f / 16777216f)]
    [InlineData(0x80000000u, 0.5f)]
    [InlineData(uint.MaxValue, 16777215f / 16777216f)]
    public void ToUnit_IsTheUpper24Bits(uint word, float expected) =>
        Assert.Equal(expected, Philox.ToUnit(word));

    [Fact]
    public void Words_AreUniform()
    {
        // χ² of 65,536 words in 64 classes has mean 63 and standard deviation 11.2; the bounds are
        // 5.5 deviations away. The generator is deterministic, so the test is, too.
        int[] counts = new int[64];
        for (ulong i = 0; i < 65_536; i++) counts[Philox.Word(1, 2, 3, i) >> 26]++;
        double statistic = counts.Sum(c => (c - 1024.0) * (c - 1024.0) / 1024);
        Assert.InRange(statistic, 20, 125);
    }
}
