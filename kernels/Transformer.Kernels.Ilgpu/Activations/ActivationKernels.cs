using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.Activations;

/// <summary>A call; without an output's gradient it is the forward one.</summary>
internal struct ActivationArgument<T> where T : unmanaged
{
    public ArrayView<T> Input, OutputGradient, Result;
    public long Length;
    public int Activation, Aligned;
}

/// <summary>result = f(input), or outputGradient·f′(input).</summary>
/// <remarks>
/// <para>Shapes: [length] each.</para>
/// <para>Work: a thread takes four elements at a time. Shared memory: none.</para>
/// <para>Bytes: everything once.</para>
/// <para>Numerics: float, one rounding on writing.</para>
/// <para>The result may be either input.</para>
/// </remarks>
internal static class ActivationKernels
{
    public static void ThreadPerFour<T, TStorage>(ActivationArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        long stride = (long)Grid.DimX * Group.DimX;
        long four = ((long)Grid.IdxX * Group.DimX) + Group.IdxX;
        for (; four * 4 < p.Length; four += stride)
        {
            long start = four * 4, left = p.Length - start;
            int count = left < 4 ? (int)left : 4, whole = count == 4 ? p.Aligned : 0;
            Float4 x = Rows.Load<T, TStorage>(p.Input, start, 0, count, whole);
            if (p.OutputGradient.Length > 0)
            {
                x = Activate.Derivative(p.Activation, x) *
                    Rows.Load<T, TStorage>(p.OutputGradient, start, 0, count, whole);
            }
            else
            {
                x = Activate.Value(p.Activation, x);
            }

            Rows.Store<T, TStorage>(p.Result, start, 0, count, whole, x);
        }
    }
}
