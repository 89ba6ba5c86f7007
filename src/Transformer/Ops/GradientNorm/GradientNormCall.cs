using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>norm = √Σ gradient²; clipScale = min(1, MaxNorm / (norm + 1e-6)).</summary>
/// <remarks>Pascanu, Mikolov, Bengio 2013, as PyTorch's clip_grad_norm_ computes it. The scale is
/// handed to <see cref="AdamWForward"/>, which spares a pass over the gradients. The sum is taken
/// in double precision in an order that does not depend on the number of threads.</remarks>
public readonly record struct GradientNormForward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "GradientNorm";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>[Length].</summary>
    public BufferView Gradient { get; init; }

    /// <summary>[1], receives the norm.</summary>
    public BufferView Norm { get; init; }

    /// <summary>[1], receives the scale; 1 where MaxNorm is 0.</summary>
    public BufferView ClipScale { get; init; }

    /// <summary>Elements.</summary>
    public long Length { get; init; }

    /// <summary>Largest norm let through; 0 means no clipping.</summary>
    public double MaxNorm { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        OpCheck.NotNegative(Op, nameof(Length), Length);
        OpCheck.Floats(Op, "gradient", Gradient, Length, $"[{Length}]");
        OpCheck.Floats(Op, "norm", Norm, 1, "[1]");
        OpCheck.Floats(Op, "clipScale", ClipScale, 1, "[1]");
        OpCheck.InRange(Op, nameof(MaxNorm), MaxNorm, 0, float.MaxValue);
        OpCheck.Apart(Op, [("norm", Norm), ("clipScale", ClipScale)], [("gradient", Gradient)]);
    }
}
