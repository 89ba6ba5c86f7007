using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.Linear;

/// <summary>What becomes of a product's elements.</summary>
internal static class Epilogue
{
    /// <summary>x = product + bias; second = x; output = f(x).</summary>
    public const int Activate = 0;

    /// <summary>output = product·f′(kept), second = f(kept); output = product where kept is absent.
    /// </summary>
    public const int Derivative = 1;

    /// <summary>output += product.</summary>
    public const int Accumulate = 2;
}

/// <summary>A product and its epilogue; absent tensors are empty.</summary>
internal struct ProductArgument<T> where T : unmanaged
{
    public ArrayView<T> A, B, Bias, Kept, Output, Second;
    public int M, N, K;

    /// <summary>1: the operand is [k, m] or [k, n]; 0: [m, k] or [n, k].</summary>
    public int ATransposed, BTransposed;

    public int AAligned, BAligned, OutputAligned;
    public int Epilogue, Activation;

    /// <summary>Tiles along m; threads along n; elements of k in shared memory, a multiple of
    /// four.</summary>
    public int TilesM, ThreadsN, Step;
}

/// <summary>output = epilogue(a · bᵀ).</summary>
/// <remarks>
/// <para>Shapes: a [m, k] or transposed, b [n, k] or transposed, output, second, kept [m, n], bias
/// [n].</para>
/// <para>Work: a group for a tile of 8·ThreadsM × 4·ThreadsN elements, a thread for 8 × 4 of it.
/// </para>
/// <para>Shared memory: Step rows of both tiles, k by k, each padded by four floats. Registers: 32
/// sums, 12 factors.</para>
/// <para>Bytes: each operand once for each tile that needs it; 32 products and sums for 48 bytes of
/// shared memory a thread.</para>
/// <para>Numerics: float, k in its order; zeros past the edges; one rounding on writing.</para>
/// <para>Source: the tiled product of every GPU textbook.</para>
/// </remarks>
internal static class Product
{
    public const int RowsOfThread = 8, ColumnsOfThread = 4, Padding = 4;

    public static void GroupPerTile<T, TStorage>(ProductArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        ArrayView<Float4> shared = SharedMemory.GetDynamic<Float4>();
        int threadM = Group.IdxX / p.ThreadsN, threadN = Group.IdxX % p.ThreadsN;
        int tileM = Group.DimX / p.ThreadsN * RowsOfThread, tileN = p.ThreadsN * ColumnsOfThread;
        int startM = Grid.IdxX % p.TilesM * tileM, startN = Grid.IdxX / p.TilesM * tileN;
        // In units of four floats.
        int rowA = (tileM + Padding) / 4, rowB = (tileN + Padding) / 4, beginB = p.Step * rowA;
        Float4 c0 = default, c1 = default, c2 = default, c3 = default;
        Float4 c4 = default, c5 = default, c6 = default, c7 = default;
        for (int k = 0; k < p.K; k += p.Step)
        {
            Fill<T, TStorage>(p.A, shared, 0, tileM, startM, p.M, k, p.K, p.Step, p.ATransposed,
                p.AAligned);
            Fill<T, TStorage>(p.B, shared, beginB, tileN, startN, p.N, k, p.K, p.Step,
                p.BTransposed, p.BAligned);
            Group.Barrier();
            int atA = threadM * 2, atB = beginB + threadN;
            int end = p.K - k < p.Step ? p.K - k : p.Step;
            for (int i = 0; i < end; i++)
            {
                Float4 low = shared[atA], high = shared[atA + 1], b = shared[atB];
                c0 += low.X * b;
                c1 += low.Y * b;
                c2 += low.Z * b;
                c3 += low.W * b;
                c4 += high.X * b;
                c5 += high.Y * b;
                c6 += high.Z * b;
                c7 += high.W * b;
                atA += rowA;
                atB += rowB;
            }

            Group.Barrier();
        }

        int m = startM + (threadM * RowsOfThread), n = startN + (threadN * ColumnsOfThread);
        // A loop: eight copies of what it inlines would not fit a GPU's instruction cache.
        for (int i = 0; i < RowsOfThread; i++)
        {
            Float4 low = i == 0 ? c0 : i == 1 ? c1 : i == 2 ? c2 : c3;
            Float4 high = i == 4 ? c4 : i == 5 ? c5 : i == 6 ? c6 : c7;
            Finish<T, TStorage>(p, m + i, n, i < 4 ? low : high);
        }
    }

    // Puts a tile of an operand into shared memory, [step, tile + padding].
    private static void Fill<T, TStorage>(
        ArrayView<T> operand, ArrayView<Float4> shared, int begin, int tile, int start, int rows,
        int k, int width, int step, int transposed, int aligned)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        int pitch = tile + Padding, pieces = step * tile / 4;
        ArrayView<float> floats = shared.Cast<float>();
        for (int i = Group.IdxX; i < pieces; i += Group.DimX)
        {
            if (transposed != 0)
            {
                int row = i / (tile / 4), column = i % (tile / 4);
                Float4 four = default;
                if (k + row < width && start + (column * 4) < rows)
                {
                    four = Rows.Load<T, TStorage>(
                        operand, (long)(k + row) * rows, start + (column * 4), rows, aligned);
                }

                shared[begin + (row * (pitch / 4)) + column] = four;
            }
            else
            {
                // Neighbours take neighbouring rows: they write to different banks.
                int row = i % tile, column = i / tile * 4;
                Float4 four = default;
                if (start + row < rows && k + column < width)
                {
                    four = Rows.Load<T, TStorage>(
                        operand, (long)(start + row) * width, k + column, width, aligned);
                }

                int at = (begin * 4) + (column * pitch) + row;
                floats[at] = four.X;
                floats[at + pitch] = four.Y;
                floats[at + (2 * pitch)] = four.Z;
                floats[at + (3 * pitch)] = four.W;
            }
        }
    }

    private static void Finish<T, TStorage>(ProductArgument<T> p, int m, int n, Float4 x)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        if (m >= p.M || n >= p.N) return;
        long row = (long)m * p.N;
        if (p.Epilogue == Epilogue.Accumulate)
        {
            x += Rows.Load<T, TStorage>(p.Output, row, n, p.N, p.OutputAligned);
        }
        else if (p.Epilogue == Epilogue.Activate)
        {
            if (p.Bias.Length > 0)
                x += Rows.Load<T, TStorage>(p.Bias, 0, n, p.N, p.OutputAligned);
            if (p.Second.Length > 0)
                Rows.Store<T, TStorage>(p.Second, row, n, p.N, p.OutputAligned, x);
            if (p.Activation != Activate.None) x = Activate.Value(p.Activation, x);
        }
        else if (p.Kept.Length > 0)
        {
            Float4 kept = Rows.Load<T, TStorage>(p.Kept, row, n, p.N, p.OutputAligned);
            x *= Activate.Derivative(p.Activation, kept);
            if (p.Second.Length > 0)
            {
                Rows.Store<T, TStorage>(p.Second, row, n, p.N, p.OutputAligned,
                    Activate.Value(p.Activation, kept));
            }
        }

        Rows.Store<T, TStorage>(p.Output, row, n, p.N, p.OutputAligned, x);
    }
}
