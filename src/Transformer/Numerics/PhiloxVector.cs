using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Transformer.Numerics;

/// <summary>Fills buffers with the numbers of a <see cref="Philox"/> stream, many blocks at once.
/// </summary>
/// <remarks>
/// Each 64-bit lane carries one 32-bit word of one block's counter: the 32×32→64-bit multiply
/// reads the low halves only, so the upper halves may hold anything and are never masked.
/// Lanes are dealt so that two unpacks put the four words of each block side by side, in order.
/// </remarks>
internal static unsafe class PhiloxVector
{
    private const ulong MultiplierA = 0xD2511F53;
    private const ulong MultiplierB = 0xCD9E8D57;
    private const uint WeylA = 0x9E3779B9;
    private const uint WeylB = 0xBB67AE85;

    /// <summary>
    /// destination[i] = <see cref="Philox.ToUnit"/> of word firstBlock·4 + i of the stream.
    /// </summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="stream">Which consumer.</param>
    /// <param name="step">The training step.</param>
    /// <param name="firstBlock">Index of the first block of four words.</param>
    /// <param name="blocks">Blocks to write.</param>
    /// <param name="destination">[4 · blocks] floats in [0, 1).</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void FillUnit(
        ulong seed, uint stream, uint step, ulong firstBlock, int blocks, float* destination)
    {
        int block = 0;
        if (Avx512F.IsSupported)
        {
            for (; block + 8 <= blocks; block += 8)
            {
                Eight(seed, stream, step, firstBlock + (ulong)block, destination + (4 * block));
            }
        }
        else if (Avx2.IsSupported)
        {
            for (; block + 4 <= blocks; block += 4)
            {
                Four(seed, stream, step, firstBlock + (ulong)block, destination + (4 * block));
            }
        }

        for (; block < blocks; block++)
        {
            ulong index = firstBlock + (ulong)block;
            (uint x, uint y, uint z, uint w) = Philox.Block(
                (uint)index, (uint)(index >> 32), step, stream, (uint)seed, (uint)(seed >> 32));
            float* words = destination + (4 * block);
            words[0] = Philox.ToUnit(x);
            words[1] = Philox.ToUnit(y);
            words[2] = Philox.ToUnit(z);
            words[3] = Philox.ToUnit(w);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Eight(
        ulong seed, uint stream, uint step, ulong block, float* destination)
    {
        Vector512<ulong> index =
            Vector512.Create(block) + Vector512.Create(0ul, 4, 1, 5, 2, 6, 3, 7);
        Vector512<ulong> c0 = index, c1 = index >> 32;
        Vector512<ulong> c2 = Vector512.Create((ulong)step), c3 = Vector512.Create((ulong)stream);
        uint key0 = (uint)seed, key1 = (uint)(seed >> 32);
        Vector512<uint> a = Vector512.Create(MultiplierA).AsUInt32();
        Vector512<uint> b = Vector512.Create(MultiplierB).AsUInt32();
        for (int round = 0; round < 10; round++)
        {
            Vector512<ulong> p0 = Avx512F.Multiply(c0.AsUInt32(), a);
            Vector512<ulong> p1 = Avx512F.Multiply(c2.AsUInt32(), b);
            c0 = (p1 >> 32) ^ c1 ^ Vector512.Create((ulong)key0);
            c2 = (p0 >> 32) ^ c3 ^ Vector512.Create((ulong)key1);
            c1 = p1;
            c3 = p0;
            key0 += WeylA;
            key1 += WeylB;
        }

        Vector512<ulong> low = Vector512.Create(0xFFFFFFFFul);
        Vector512<ulong> xy = (c0 & low) | (c1 << 32);
        Vector512<ulong> zw = (c2 & low) | (c3 << 32);
        Vector512<float> unit = Vector512.Create(1f / 16777216f);
        Vector512<uint> first = Avx512F.UnpackLow(xy, zw).AsUInt32() >> 8;
        Vector512<uint> second = Avx512F.UnpackHigh(xy, zw).AsUInt32() >> 8;
        (Vector512.ConvertToSingle(first.AsInt32()) * unit).Store(destination);
        (Vector512.ConvertToSingle(second.AsInt32()) * unit).Store(destination + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Four(
        ulong seed, uint stream, uint step, ulong block, float* destination)
    {
        Vector256<ulong> index = Vector256.Create(block) + Vector256.Create(0ul, 2, 1, 3);
        Vector256<ulong> c0 = index, c1 = index >> 32;
        Vector256<ulong> c2 = Vector256.Create((ulong)step), c3 = Vector256.Create((ulong)stream);
        uint key0 = (uint)seed, key1 = (uint)(seed >> 32);
        Vector256<uint> a = Vector256.Create(MultiplierA).AsUInt32();
        Vector256<uint> b = Vector256.Create(MultiplierB).AsUInt32();
        for (int round = 0; round < 10; round++)
        {
            Vector256<ulong> p0 = Avx2.Multiply(c0.AsUInt32(), a);
            Vector256<ulong> p1 = Avx2.Multiply(c2.AsUInt32(), b);
            c0 = (p1 >> 32) ^ c1 ^ Vector256.Create((ulong)key0);
            c2 = (p0 >> 32) ^ c3 ^ Vector256.Create((ulong)key1);
            c1 = p1;
            c3 = p0;
            key0 += WeylA;
            key1 += WeylB;
        }

        Vector256<ulong> low = Vector256.Create(0xFFFFFFFFul);
        Vector256<ulong> xy = (c0 & low) | (c1 << 32);
        Vector256<ulong> zw = (c2 & low) | (c3 << 32);
        Vector256<float> unit = Vector256.Create(1f / 16777216f);
        Vector256<uint> first = Avx2.UnpackLow(xy, zw).AsUInt32() >> 8;
        Vector256<uint> second = Avx2.UnpackHigh(xy, zw).AsUInt32() >> 8;
        (Vector256.ConvertToSingle(first.AsInt32()) * unit).Store(destination);
        (Vector256.ConvertToSingle(second.AsInt32()) * unit).Store(destination + 8);
    }
}
