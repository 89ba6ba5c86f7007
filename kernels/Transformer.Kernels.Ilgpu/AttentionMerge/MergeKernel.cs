using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.AttentionMerge;

/// <summary>A call; absent tensors are empty.</summary>
internal struct MergeArgument<T> where T : unmanaged
{
    public ArrayView<T> Outputs, Output;
    public ArrayView<float> LogSums, LogSumExp;
    public long Rows;
    public int Parts, Width, Aligned;
}

/// <summary>output = Σ e^(Lᵢ − M)·outputᵢ / Σ e^(Lᵢ − M), M = max Lᵢ; log_sum_exp = M + ln Σ
/// e^(Lᵢ − M). Parts with Lᵢ = −∞ take no part; 0 and −∞ where none does.</summary>
/// <remarks>
/// <para>Shapes: outputs [parts, rows, width], log_sums [parts, rows]; output [rows, width],
/// log_sum_exp [rows].</para>
/// <para>Work: a group a row, a thread every so many-th chunk of four of it. Shared memory: none.
/// </para>
/// <para>Bytes: every part once; the sums three times, from cache.</para>
/// <para>Numerics: float; a part that takes no part may hold NaN.</para>
/// <para>The results may be the first part of the operands. Source: Milakov, Gimelshein 2018.
/// </para>
/// </remarks>
internal static class MergeKernel
{
    public static void GroupPerRow<T, TStorage>(MergeArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        long row = Grid.IdxX;
        float top = float.NegativeInfinity, total = 0;
        for (int i = 0; i < p.Parts; i++)
        {
            float sum = p.LogSums[(i * p.Rows) + row];
            top = sum > top ? sum : top;
        }

        for (int i = 0; i < p.Parts; i++) total += Weight(p.LogSums[(i * p.Rows) + row], top);
        float scale = top == float.NegativeInfinity ? 0 : 1 / total;
        for (int d = Group.IdxX * 4; d < p.Width; d += Group.DimX * 4)
        {
            Float4 sum = default;
            for (int i = 0; i < p.Parts; i++)
            {
                long part = (i * p.Rows) + row;
                float weight = Weight(p.LogSums[part], top);
                if (weight == 0) continue;
                sum += weight * Rows.Load<T, TStorage>(
                    p.Outputs, part * p.Width, d, p.Width, p.Aligned);
            }

            Rows.Store<T, TStorage>(
                p.Output, row * p.Width, d, p.Width, p.Aligned, scale * sum);
        }

        Group.Barrier(); // every thread has read the row's sums
        if (Group.IdxX == 0 && p.LogSumExp.Length > 0)
            p.LogSumExp[row] = scale == 0 ? top : top + FloatMath.Log(total);
    }

    private static float Weight(float sum, float top) =>
        sum == float.NegativeInfinity ? 0 : FloatMath.Exp(sum - top);
}
