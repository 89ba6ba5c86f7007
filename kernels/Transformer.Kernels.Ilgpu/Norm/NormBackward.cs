using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.Norm;

/// <summary>A call of the backward kernels; absent tensors are empty.</summary>
internal struct NormBackwardArgument<T> where T : unmanaged
{
    public ArrayView<T> Sum, Weight, OutputGradient, SumGradient, InputGradient;
    public ArrayView<float> Mean, Inverse, WeightPartials, BiasPartials;
    public int Rows, Width, Aligned, Centered, RowsOfPart;
}

/// <summary>Gradients of layer norm and, where not centered, of root-mean-square norm.</summary>
/// <remarks>
/// <para>x̂ = (sum − mean)·inverse, g = outputGradient ⊙ weight: inputGradient = inverse·(g −
/// avg(g) − x̂·avg(g ⊙ x̂)) + sumGradient, without avg(g) where not centered. weightPartials = Σ
/// outputGradient ⊙ x̂ and biasPartials = Σ outputGradient over a part of the rows.</para>
/// <para>Shapes: sum and gradients [rows, width]; weight [width]; mean, inverse [rows]; partials
/// [parts, width].</para>
/// <para>Work: GroupPerRow as NormForward; ThreadPerColumn: a thread adds its column over a part of
/// the rows, neighbours read neighbours.</para>
/// <para>Shared memory: two floats a warp in GroupPerRow, none in ThreadPerColumn. Registers: one
/// chunk.</para>
/// <para>Bytes: each kernel reads sum and output gradient once from device memory.</para>
/// <para>Numerics: float; sums of rows in their order, so that results repeat.</para>
/// <para>ThreadPerColumn comes first where the input's gradient takes another's place.</para>
/// </remarks>
internal static class NormBackward
{
    public static void GroupPerRow<T, TStorage>(NormBackwardArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        ArrayView<float> shared = SharedMemory.GetDynamic<float>();
        long row = (long)Grid.IdxX * p.Width;
        int step = Group.DimX * 4, begin = Group.IdxX * 4, width = p.Width;
        float mean = p.Centered != 0 ? p.Mean[Grid.IdxX] : 0, inverse = p.Inverse[Grid.IdxX];
        float average = 0, product = 0;
        for (int i = begin; i < width; i += step)
        {
            Float4 g = Scaled<T, TStorage>(p, row, i);
            // Past the row's end g is 0, and with it every term.
            average += g.Sum();
            product += (g * Normalised<T, TStorage>(p, row, i, mean, inverse)).Sum();
        }

        GroupSum.Two(ref average, ref product, shared);
        average = p.Centered != 0 ? average / width : 0;
        product /= width;
        for (int i = begin; i < width; i += step)
        {
            Float4 x = Normalised<T, TStorage>(p, row, i, mean, inverse);
            Float4 g = Scaled<T, TStorage>(p, row, i) - Float4.All(average);
            g = inverse * (g - (product * x));
            if (p.SumGradient.Length > 0)
                g += Rows.Load<T, TStorage>(p.SumGradient, row, i, width, p.Aligned);
            Rows.Store<T, TStorage>(p.InputGradient, row, i, width, p.Aligned, g);
        }
    }

    public static void ThreadPerColumn<T, TStorage>(NormBackwardArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        TStorage storage = default;
        int column = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (column >= p.Width) return;
        int begin = Grid.IdxY * p.RowsOfPart;
        int end = begin + p.RowsOfPart < p.Rows ? begin + p.RowsOfPart : p.Rows;
        float weight = 0, bias = 0;
        for (int row = begin; row < end; row++)
        {
            long at = ((long)row * p.Width) + column;
            float mean = p.Centered != 0 ? p.Mean[row] : 0;
            float x = (storage.Load(p.Sum, at) - mean) * p.Inverse[row];
            float g = storage.Load(p.OutputGradient, at);
            weight += g * x;
            bias += g;
        }

        long part = ((long)Grid.IdxY * p.Width) + column;
        if (p.WeightPartials.Length > 0) p.WeightPartials[part] = weight;
        if (p.BiasPartials.Length > 0) p.BiasPartials[part] = bias;
    }

    private static Float4 Normalised<T, TStorage>(
        NormBackwardArgument<T> p, long row, int start, float mean, float inverse)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        Float4 x = Rows.Load<T, TStorage>(p.Sum, row, start, p.Width, p.Aligned);
        return inverse * (x - Float4.All(mean));
    }

    private static Float4 Scaled<T, TStorage>(NormBackwardArgument<T> p, long row, int start)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        Float4 g = Rows.Load<T, TStorage>(p.OutputGradient, row, start, p.Width, p.Aligned);
        if (p.Weight.Length > 0)
            g *= Rows.Load<T, TStorage>(p.Weight, 0, start, p.Width, p.Aligned);
        return g;
    }
}
