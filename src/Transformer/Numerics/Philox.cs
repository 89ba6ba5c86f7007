using System.Runtime.CompilerServices;

namespace Transformer.Numerics;

/// <summary>
/// Philox 4×32-10, a counter-based random generator: four 32-bit words that depend only on a
/// 128-bit counter and a 64-bit key, so that any element's random number can be had in any order
/// on any device.
/// </summary>
/// <remarks>
/// Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
/// </remarks>
public static class Philox
{
    private const uint MultiplierA = 0xD2511F53;
    private const uint MultiplierB = 0xCD9E8D57;
    private const uint WeylA = 0x9E3779B9;
    private const uint WeylB = 0xBB67AE85;

    /// <summary>The four words for one counter and key.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (uint X, uint Y, uint Z, uint W) Block(
        uint counter0, uint counter1, uint counter2, uint counter3, uint key0, uint key1)
    {
        for (int round = 0; round < 10; round++)
        {
            ulong a = (ulong)MultiplierA * counter0;
            ulong b = (ulong)MultiplierB * counter2;
            (counter0, counter1, counter2, counter3) =
                ((uint)(b >> 32) ^ counter1 ^ key0, (uint)b, (uint)(a >> 32) ^ counter3 ^ key1,
                    (uint)a);
            key0 += WeylA;
            key1 += WeylB;
        }

        return (counter0, counter1, counter2, counter3);
    }

    /// <summary>Word <c>index</c> of the stream (seed, stream, step).</summary>
    /// <param name="seed">The run's seed: the key.</param>
    /// <param name="stream">Which consumer: an op's node, a parameter.</param>
    /// <param name="step">The training step, 32 bits of it.</param>
    /// <param name="index">Element index; four consecutive ones share a block.</param>
    public static uint Word(ulong seed, uint stream, uint step, ulong index)
    {
        ulong block = index >> 2;
        (uint x, uint y, uint z, uint w) = Block(
            (uint)block, (uint)(block >> 32), step, stream, (uint)seed, (uint)(seed >> 32));
        return (index & 3) switch { 0 => x, 1 => y, 2 => z, _ => w };
    }

    /// <summary>Maps a word to a number in [0, 1): its upper 24 bits over 2²⁴, exact in float.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToUnit(uint word) => (word >> 8) * (1f / 16777216f);
}
