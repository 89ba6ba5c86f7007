using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.GradientNorm;

/// <summary>A call.</summary>
internal struct GradientNormArgument<T> where T : unmanaged
{
    public ArrayView<T> Gradient;
    public ArrayView<double> Partials;
    public ArrayView<float> Norm, ClipScale;
    public long Length;
    public double MaxNorm;
    public int Parts, Aligned;
}

/// <summary>norm = √Σ gradient²; clip_scale = min(1, max_norm / (norm + 1e-6)), 1 where max_norm is
/// 0.</summary>
/// <remarks>
/// <para>Shapes: gradient [length]; partials [parts] doubles; norm, clip_scale [1].</para>
/// <para>Work: Partials: each group adds up its fours; Total: one group adds the groups' sums.
/// </para>
/// <para>Shared memory: a double a thread.</para>
/// <para>Bytes: the gradient once, four bytes a double product and sum.</para>
/// <para>Numerics: double, as squares of floats leave their range; the order depends on length and
/// alignment alone. NaN in the gradient gives NaN in both results.</para>
/// <para>Source: Pascanu, Mikolov, Bengio 2013.</para>
/// </remarks>
internal static class GradientNormKernels
{
    public static void Partials<T, TStorage>(GradientNormArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        ArrayView<double> shared = SharedMemory.GetDynamic<double>();
        long stride = (long)Grid.DimX * Group.DimX;
        long four = ((long)Grid.IdxX * Group.DimX) + Group.IdxX;
        double sum = 0;
        for (; four * 4 < p.Length; four += stride)
        {
            long start = four * 4, left = p.Length - start;
            int count = left < 4 ? (int)left : 4, whole = count == 4 ? p.Aligned : 0;
            Float4 x = Rows.Load<T, TStorage>(p.Gradient, start, 0, count, whole);
            sum += (double)x.X * x.X;
            sum += (double)x.Y * x.Y;
            sum += (double)x.Z * x.Z;
            sum += (double)x.W * x.W;
        }

        sum = GroupSum.OfDoubles(sum, shared);
        if (Group.IdxX == 0) p.Partials[Grid.IdxX] = sum;
    }

    public static void Total<T, TStorage>(GradientNormArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        ArrayView<double> shared = SharedMemory.GetDynamic<double>();
        double sum = 0;
        for (int i = Group.IdxX; i < p.Parts; i += Group.DimX) sum += p.Partials[i];
        sum = GroupSum.OfDoubles(sum, shared);
        if (Group.IdxX != 0) return;
        double norm = Math.Sqrt(sum), scale = p.MaxNorm / (norm + 1e-6);
        p.Norm[0] = (float)norm;
        p.ClipScale[0] = p.MaxNorm == 0 || scale >= 1 ? 1 : (float)scale;
    }
}
