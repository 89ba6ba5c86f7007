namespace Transformer.Numerics;

/// <summary>
/// A vector of floats of whatever width the machine has, for formulas written once: kernels call
/// them with each of their vector types, and the JIT keeps the vectors in registers.
/// </summary>
/// <typeparam name="TSelf">The vector.</typeparam>
public interface IFloatVector<TSelf> where TSelf : struct, IFloatVector<TSelf>
{
    /// <summary>All lanes the same.</summary>
    static abstract TSelf Broadcast(float value);

    /// <summary>Lane-wise square root.</summary>
    static abstract TSelf Sqrt(TSelf a);

    /// <summary>Lane-wise absolute value.</summary>
    static abstract TSelf Abs(TSelf a);

    /// <summary>Lane-wise <c>a &lt; b ? x : y</c>; NaN compares false.</summary>
    static abstract TSelf SelectLess(TSelf a, TSelf b, TSelf x, TSelf y);

    /// <summary>Lane-wise maximum, one instruction; NaN in <paramref name="b"/> gives NaN.
    /// </summary>
    static abstract TSelf Max(TSelf a, TSelf b);

    /// <summary>Lane-wise minimum, one instruction; NaN in <paramref name="b"/> gives NaN.
    /// </summary>
    static abstract TSelf Min(TSelf a, TSelf b);

    /// <summary>Lane-wise eˣ, within 2 ulp.</summary>
    static abstract TSelf Exp(TSelf a);

    /// <summary>Lane-wise hyperbolic tangent, within 2.2 ulp; what the soft cap takes.</summary>
    static abstract TSelf Tanh(TSelf a);

    /// <summary>Lane-wise sum.</summary>
    static abstract TSelf operator +(TSelf a, TSelf b);

    /// <summary>Lane-wise difference.</summary>
    static abstract TSelf operator -(TSelf a, TSelf b);

    /// <summary>Lane-wise product.</summary>
    static abstract TSelf operator *(TSelf a, TSelf b);

    /// <summary>Lane-wise quotient.</summary>
    static abstract TSelf operator /(TSelf a, TSelf b);
}
