using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>Activations and their derivatives in double.</summary>
/// <remarks>GELU's Φ comes from erfc, which keeps all digits for negative x. ReLU's derivative at
/// 0 is 0.</remarks>
internal static class ActivationMath
{
    private const double RootTwoOverPi = 0.79788456080286535588;
    private const double Cubic = 0.044715;

    /// <summary>f(x).</summary>
    public static double Value(Activation activation, double x) => activation switch
    {
        Activation.None => x,
        Activation.Relu => x <= 0 ? 0 : x,
        Activation.Gelu => x * ScalarMath.NormalCdf(x),
        Activation.GeluTanh => 0.5 * x * (1 + Math.Tanh(TanhArgument(x))),
        Activation.Tanh => Math.Tanh(x),
        Activation.Silu => x * Sigmoid(x),
        _ => throw Unknown(activation),
    };

    /// <summary>f′(x).</summary>
    public static double Derivative(Activation activation, double x) => activation switch
    {
        Activation.None => 1,
        Activation.Relu => x <= 0 ? 0 : 1,
        Activation.Gelu => ScalarMath.NormalCdf(x) + (x * ScalarMath.NormalPdf(x)),
        Activation.GeluTanh => GeluTanhDerivative(x),
        Activation.Tanh => 1 / (Math.Cosh(x) * Math.Cosh(x)),
        Activation.Silu => Sigmoid(x) * (1 + (x * Sigmoid(-x))),
        _ => throw Unknown(activation),
    };

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    private static double TanhArgument(double x) => RootTwoOverPi * (x + (Cubic * x * x * x));

    private static double GeluTanhDerivative(double x)
    {
        double tanh = Math.Tanh(TanhArgument(x));
        double slope = RootTwoOverPi * (1 + (3 * Cubic * x * x));
        return (0.5 * (1 + tanh)) + (0.5 * x * (1 - (tanh * tanh)) * slope);
    }

    private static ArgumentException Unknown(Activation activation) =>
        new($"Activation: {activation} is unknown. Use None, Relu, Gelu, GeluTanh, Tanh or Silu.");
}
