using System.Runtime.CompilerServices;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>The product where a row of b that has weight 0 may hold NaN or ∞.</summary>
internal static unsafe class AttentionVisible
{
    /// <summary>As <see cref="AttentionMultiply.Run{T}"/>, skipping zero weights.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add<T>(
        float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow,
        int steps, int vectors, float* rowScale) where T : struct, ISimdFloat<T>
    {
        for (int row = 0; row < AttentionMultiply.Rows; row++)
        {
            for (int v = 0; v < vectors; v++)
            {
                float* target = c + (row * cRow) + (v * T.Width);
                T sum = T.Zero;
                for (int step = 0; step < steps; step++)
                {
                    float weight = a[(row * aRow) + (step * aStep)];
                    if (weight == 0) continue;
                    sum = T.MultiplyAdd(T.Broadcast(weight),
                        T.Load(b + (step * bStep) + (v * T.Width)), sum);
                }

                T.Store(
                    T.MultiplyAdd(T.Load(target), T.Broadcast(rowScale[row]), sum), target);
            }
        }
    }
}
