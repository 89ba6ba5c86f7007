using ILGPU;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Numerics;

namespace Transformer.Kernels.Ilgpu.Dropout;

/// <summary>A call; forward and backward alike.</summary>
internal struct DropoutArgument<T> where T : unmanaged
{
    public ArrayView<T> Input, Output;
    public ArrayView<long> State;
    public long Length;
    public float Probability, Scale;
    public uint Stream;
    public int Aligned;
}

/// <summary>output[i] = u(i) ≥ p ? input[i]·(1/(1 − p)) : 0 with u(i) of Philox stream (seed,
/// stream, step).</summary>
/// <remarks>
/// <para>Shapes: [length] each; state [2]: seed, step, read on the device.</para>
/// <para>Work: a thread takes the four elements of a block of random numbers. Shared memory: none.
/// </para>
/// <para>Bytes: everything once; 20 wide products for four elements.</para>
/// <para>Numerics: u, p and the factor exactly as the reference's in binary32; one rounding on
/// writing. A dropped NaN gives 0.</para>
/// <para>The output may be the input. Source: Srivastava et al. 2014.</para>
/// </remarks>
internal static class DropoutKernel
{
    public static void ThreadPerFour<T, TStorage>(DropoutArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        ulong seed = (ulong)p.State[0];
        uint step = (uint)p.State[1];
        long stride = (long)Grid.DimX * Group.DimX;
        long block = ((long)Grid.IdxX * Group.DimX) + Group.IdxX;
        for (; block * 4 < p.Length; block += stride)
        {
            long start = block * 4, left = p.Length - start;
            int count = left < 4 ? (int)left : 4, whole = count == 4 ? p.Aligned : 0;
            (uint x, uint y, uint z, uint w) = Philox.Block((uint)block,
                (uint)(block >> 32), step, p.Stream, (uint)seed, (uint)(seed >> 32));
            Float4 value = Rows.Load<T, TStorage>(p.Input, start, 0, count, whole);
            value = new(Kept(p, value.X, x), Kept(p, value.Y, y), Kept(p, value.Z, z),
                Kept(p, value.W, w));
            Rows.Store<T, TStorage>(p.Output, start, 0, count, whole, value);
        }
    }

    private static float Kept<T>(DropoutArgument<T> p, float x, uint word) where T : unmanaged =>
        Philox.ToUnit(word) >= p.Probability ? x * p.Scale : 0;
}
