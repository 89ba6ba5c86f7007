using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.Norm;

/// <summary>A call of the forward kernel; absent tensors are empty.</summary>
internal struct NormForwardArgument<T> where T : unmanaged
{
    public ArrayView<T> Input, Residual, Weight, Bias, Sum, Output;
    public ArrayView<float> Mean, Inverse;
    public int Rows, Width, Aligned, Centered;
    public float Epsilon;
}

/// <summary>Rows of layer norm and, where not centered, of root-mean-square norm.</summary>
/// <remarks>
/// <para>sum = input + residual; output = (sum − mean) / √(variance + ε) ⊙ weight + bias; without
/// centering mean = 0 and there is no bias.</para>
/// <para>Shapes: input, residual, sum, output [rows, width]; weight, bias [width]; mean, inverse
/// [rows].</para>
/// <para>Work: a group for each row; its threads take every so many-th chunk of four.</para>
/// <para>Shared memory: two floats a warp. Registers: one chunk.</para>
/// <para>Bytes: input and residual three times (once from device memory, then from cache), outputs
/// once; about one operation a byte.</para>
/// <para>Numerics: float; distances from the row's first element, so that a large mean costs no
/// digits; then the squares of distances from the mean.</para>
/// <para>A thread writes what it alone has read, so outputs may be inputs.</para>
/// </remarks>
internal static class NormForward
{
    public static void GroupPerRow<T, TStorage>(NormForwardArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        ArrayView<float> shared = SharedMemory.GetDynamic<float>();
        TStorage storage = default;
        long row = (long)Grid.IdxX * p.Width;
        int step = Group.DimX * 4, begin = Group.IdxX * 4, width = p.Width;
        bool added = p.Residual.Length > 0;
        float first = 0, shift = 0;
        if (p.Centered != 0)
        {
            first = storage.Load(p.Input, row);
            if (added) first += storage.Load(p.Residual, row);
            float total = 0;
            for (int i = begin; i < width; i += step)
            {
                Float4 x = Load<T, TStorage>(p, row, i, added);
                total += (x - Float4.All(first)).First(width - i).Sum();
            }

            shift = GroupSum.One(total, shared) / width;
        }

        float squares = 0;
        for (int i = begin; i < width; i += step)
        {
            Float4 x = Load<T, TStorage>(p, row, i, added);
            x = (x - Float4.All(first) - Float4.All(shift)).First(width - i);
            squares += (x * x).Sum();
        }

        float variance = GroupSum.One(squares, shared) / width;
        float scale = 1 / MathF.Sqrt(variance + p.Epsilon);
        for (int i = begin; i < width; i += step)
        {
            Float4 x = Load<T, TStorage>(p, row, i, added);
            if (p.Sum.Length > 0) Rows.Store<T, TStorage>(p.Sum, row, i, width, p.Aligned, x);
            x = scale * (x - Float4.All(first) - Float4.All(shift));
            if (p.Weight.Length > 0)
                x *= Rows.Load<T, TStorage>(p.Weight, 0, i, width, p.Aligned);
            if (p.Bias.Length > 0)
                x += Rows.Load<T, TStorage>(p.Bias, 0, i, width, p.Aligned);
            Rows.Store<T, TStorage>(p.Output, row, i, width, p.Aligned, x);
        }

        if (Group.IdxX != 0) return;
        if (p.Mean.Length > 0) p.Mean[Grid.IdxX] = first + shift;
        if (p.Inverse.Length > 0) p.Inverse[Grid.IdxX] = scale;
    }

    private static Float4 Load<T, TStorage>(
        NormForwardArgument<T> p, long row, int start, bool added)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        Float4 x = Rows.Load<T, TStorage>(p.Input, row, start, p.Width, p.Aligned);
        if (added) x += Rows.Load<T, TStorage>(p.Residual, row, start, p.Width, p.Aligned);
        return x;
    }
}
