using Transformer.Numerics;

namespace Transformer.Models.Training;

/// <summary>Random numbers of one example: a function of seed, epoch, example and how many were
/// drawn before.</summary>
internal ref struct RandomStream(ulong seed, uint stream, int epoch, long example)
{
    // Far more than an example of the longest text draws.
    private const int BitsOfDraws = 24;

    private ulong next = (ulong)example << BitsOfDraws;

    /// <summary>0 to <paramref name="count"/> − 1; the bias is below count·2⁻³².</summary>
    public int Below(int count) =>
        (int)(((ulong)Philox.Word(seed, stream, (uint)epoch, next++) * (uint)count) >> 32);

    /// <summary>A number in [0, 1).</summary>
    public double Unit() => Philox.Word(seed, stream, (uint)epoch, next++) * (1.0 / (1L << 32));
}
