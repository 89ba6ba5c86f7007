using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.Linear;

/// <summary>A call; absent tensors are empty.</summary>
internal struct GradientColumnsArgument<T> where T : unmanaged
{
    public ArrayView<T> Gradient, Kept, Product;
    public ArrayView<float> Partials;
    public int Rows, Width, RowsOfPart, Activation;
}

/// <summary>product = gradient ⊙ f′(kept); partials = its column sums over a part of the rows.
/// </summary>
/// <remarks>
/// <para>Shapes: gradient, kept, product [rows, width]; partials [parts, width] floats.</para>
/// <para>Work: a thread for a column of a part; neighbours read neighbours. Shared memory: none.
/// </para>
/// <para>Bytes: everything once. Numerics: float, rows in their order; sums before the product is
/// rounded.</para>
/// <para>The product may take the gradient's place.</para>
/// </remarks>
internal static class GradientColumns
{
    public static void ThreadPerColumn<T, TStorage>(GradientColumnsArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        TStorage storage = default;
        int column = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (column >= p.Width) return;
        int begin = Grid.IdxY * p.RowsOfPart;
        int end = begin + p.RowsOfPart < p.Rows ? begin + p.RowsOfPart : p.Rows;
        float sum = 0;
        for (int row = begin; row < end; row++)
        {
            long at = ((long)row * p.Width) + column;
            float value = storage.Load(p.Gradient, at);
            if (p.Kept.Length > 0)
                value *= Activate.Derivative(p.Activation, storage.Load(p.Kept, at));
            if (p.Product.Length > 0) storage.Store(p.Product, at, value);
            sum += value;
        }

        if (p.Partials.Length > 0) p.Partials[((long)Grid.IdxY * p.Width) + column] = sum;
    }
}
