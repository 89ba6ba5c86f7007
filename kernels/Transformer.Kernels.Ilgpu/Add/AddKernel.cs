using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.Add;

/// <summary>A call.</summary>
internal struct AddArgument<T> where T : unmanaged
{
    public ArrayView<T> Left, Right, Output;
    public long Length;
    public int Aligned;
}

/// <summary>output = left + right.</summary>
/// <remarks>
/// <para>Shapes: [length] each.</para>
/// <para>Work: a thread takes four elements at a time. Shared memory: none.</para>
/// <para>Bytes: everything once. Numerics: float, one rounding on writing.</para>
/// <para>The output may be either input.</para>
/// </remarks>
internal static class AddKernel
{
    public static void ThreadPerFour<T, TStorage>(AddArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        long stride = (long)Grid.DimX * Group.DimX;
        long four = ((long)Grid.IdxX * Group.DimX) + Group.IdxX;
        for (; four * 4 < p.Length; four += stride)
        {
            long start = four * 4, left = p.Length - start;
            int count = left < 4 ? (int)left : 4, whole = count == 4 ? p.Aligned : 0;
            Float4 sum = Rows.Load<T, TStorage>(p.Left, start, 0, count, whole) +
                Rows.Load<T, TStorage>(p.Right, start, 0, count, whole);
            Rows.Store<T, TStorage>(p.Output, start, 0, count, whole, sum);
        }
    }
}
