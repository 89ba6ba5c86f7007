using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.PartialSums;

/// <summary>A call: [parts, width] added to [width].</summary>
internal struct PartialSumsArgument<T> where T : unmanaged
{
    public ArrayView<float> Partials;
    public ArrayView<T> Target;
    public int Parts, Width;
}

/// <summary>target += Σ partials over the parts.</summary>
/// <remarks>
/// <para>Shapes: partials [parts, width] floats, target [width].</para>
/// <para>Work: a thread for each column. Shared memory: none.</para>
/// <para>Bytes: everything once; one addition for four bytes.</para>
/// <para>Numerics: float, parts in their order, one rounding of the sum.</para>
/// </remarks>
internal static class PartialSums
{
    public static void ThreadPerColumn<T, TStorage>(PartialSumsArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        TStorage storage = default;
        int column = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (column >= p.Width) return;
        float sum = 0;
        for (int part = 0; part < p.Parts; part++)
            sum += p.Partials[((long)part * p.Width) + column];
        storage.Store(p.Target, column, storage.Load(p.Target, column) + sum);
    }
}
