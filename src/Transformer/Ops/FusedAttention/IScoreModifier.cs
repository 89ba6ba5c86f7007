using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>
/// Custom attention in plain C#: a struct whose methods the JIT compiles into the attention kernel.
/// It sees each score after scale and soft cap and before bias, and may hide keys.
/// </summary>
/// <remarks>
/// Called in any order, from many threads, also for pairs that a mask hides, whose result is
/// dropped: it must depend on its arguments and fields alone. Positions count within the sequence
/// and never leave it; head counts query heads.
/// Dong et al. 2024, "Flex Attention", name the idea; here the kernel is specialised by generics.
/// </remarks>
public interface IScoreModifier
{
    /// <summary>False tells the kernel that <see cref="IsVisible"/> is always true, and it is not
    /// called.</summary>
    static virtual bool HidesKeys => true;

    /// <summary>True tells the CPU's kernels to call <see cref="ApplyVector"/> in place of
    /// <see cref="Apply"/>; the reference calls Apply.</summary>
    static virtual bool IsVectorised => false;

    /// <summary>The new score.</summary>
    /// <param name="score">scale·q·k, after the soft cap.</param>
    /// <param name="batch">Sequence.</param>
    /// <param name="head">Query head.</param>
    /// <param name="query">Position of the query, from 0.</param>
    /// <param name="key">Position of the key, from 0.</param>
    float Apply(float score, int batch, int head, int query, int key);

    /// <summary><see cref="Apply"/> for as many keys as a vector has lanes; called only where
    /// <see cref="IsVectorised"/> is true, and then to be implemented.</summary>
    /// <param name="score">Scores of one query and consecutive keys.</param>
    /// <param name="batch">Sequence.</param>
    /// <param name="head">Query head.</param>
    /// <param name="query">Position of the query, from 0.</param>
    /// <param name="key">Positions of the keys, exact below 2²⁴; lanes past the sequence's end are
    /// dropped.</param>
    /// <exception cref="NotSupportedException">Not implemented.</exception>
    TVector ApplyVector<TVector>(TVector score, int batch, int head, int query, TVector key)
        where TVector : struct, IFloatVector<TVector> => throw new NotSupportedException(
            $"FusedAttention: '{GetType().Name}' says IsVectorised but has no " +
            $"{nameof(ApplyVector)}. Implement it.");

    /// <summary>True when the query may attend to the key; intersects with every other mask.
    /// </summary>
    /// <param name="batch">Sequence.</param>
    /// <param name="head">Query head.</param>
    /// <param name="query">Position of the query, from 0.</param>
    /// <param name="key">Position of the key, from 0.</param>
    bool IsVisible(int batch, int head, int query, int key);
}

/// <summary>A score modifier that the backward pass can run, too.</summary>
public interface IDifferentiableScoreModifier : IScoreModifier
{
    /// <summary>d Apply / d score, at the score that Apply was given.</summary>
    /// <param name="score">scale·q·k, after the soft cap.</param>
    /// <param name="batch">Sequence.</param>
    /// <param name="head">Query head.</param>
    /// <param name="query">Position of the query, from 0.</param>
    /// <param name="key">Position of the key, from 0.</param>
    float Derivative(float score, int batch, int head, int query, int key);
}
