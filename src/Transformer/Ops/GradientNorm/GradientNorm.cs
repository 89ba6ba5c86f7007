using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>What <see cref="GradientNorm.Compute"/> returns.</summary>
/// <param name="Norm">√Σ gradient².</param>
/// <param name="ClipScale">min(1, maxNorm / (Norm + 1e-6)); 1 where nothing is clipped.</param>
public readonly record struct GradientNormResult(float Norm, float ClipScale);

/// <summary>The norm of a gradient and the scale that clips it, on spans.</summary>
/// <remarks>Pascanu, Mikolov, Bengio 2013. Safe to call from many threads; allocates nothing.
/// </remarks>
public static unsafe class GradientNorm
{
    /// <summary>Computes norm and clip scale; the gradient stays as it is.</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="gradient">[Length].</param>
    /// <param name="maxNorm">Largest norm let through; 0 means no clipping.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A negative or infinite limit.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static GradientNormResult Compute<T>(
        ReadOnlySpan<T> gradient, double maxNorm = 0, Backend? backend = null)
        where T : unmanaged
    {
        float norm;
        float scale;
        fixed (T* g = gradient)
        {
            SpanEntry.Run(backend, new GradientNormForward
            {
                Gradient = BufferView.Of(g, gradient.Length),
                Norm = BufferView.Of(&norm, 1),
                ClipScale = BufferView.Of(&scale, 1),
                Length = gradient.Length,
                MaxNorm = maxNorm,
            });
        }

        return new(norm, scale);
    }
}
