using Transformer.Ops;
using Transformer.Tests.Fixtures;

namespace Transformer.Tests.Activations;

public class ActivationMathTests
{
    /// <summary>PyTorch forms 1 + erf, which loses what is below 1e-16: compared absolutely.
    /// </summary>
    private const double AbsoluteTolerance = 2e-15;

    [Theory]
    [InlineData("relu", Activation.Relu)]
    [InlineData("gelu_exact", Activation.Gelu)]
    [InlineData("gelu_tanh", Activation.GeluTanh)]
    [InlineData("silu", Activation.Silu)]
    public void ValueAndDerivative_MatchPyTorch(string @case, Activation activation)
    {
        Fixture fixture = Fixture.Load("activation", @case);
        double[] x = fixture.Doubles("x");
        double[] y = fixture.Doubles("y");
        double[] derivative = fixture.Doubles("derivative");
        for (int i = 0; i < x.Length; i++)
        {
            double tolerance = AbsoluteTolerance * Math.Max(1, Math.Abs(x[i]));
            Assert.InRange(
                ActivationMath.Value(activation, x[i]) - y[i], -tolerance, tolerance);
            Assert.InRange(
                ActivationMath.Derivative(activation, x[i]) - derivative[i],
                -tolerance, tolerance);
        }
    }

    [Fact]
    public void Values_ByHand()
    {
        Assert.Equal(-2.5, ActivationMath.Value(Activation.None, -2.5));
        Assert.Equal(0, ActivationMath.Value(Activation.Relu, -2.5));
        Assert.Equal(2.5, ActivationMath.Value(Activation.Relu, 2.5));
        Assert.Equal(0, ActivationMath.Value(Activation.Gelu, 0));
        Assert.Equal(0, ActivationMath.Value(Activation.GeluTanh, 0));
        // Φ(1) = 0.84134474606854294859.
        Assert.Equal(0.84134474606854295, ActivationMath.Value(Activation.Gelu, 1), 15);
        Assert.Equal(-0.15865525393145705, ActivationMath.Value(Activation.Gelu, -1), 15);
        // ½(1 + tanh(0.79788456·1.044715)) = ½(1 + tanh(0.83356191)) = 0.841191990607…
        Assert.Equal(0.84119199060, ActivationMath.Value(Activation.GeluTanh, 1), 10);
    }

    [Fact]
    public void Derivatives_AtZero()
    {
        Assert.Equal(1, ActivationMath.Derivative(Activation.None, 0));
        Assert.Equal(0, ActivationMath.Derivative(Activation.Relu, 0));
        Assert.Equal(0.5, ActivationMath.Derivative(Activation.Gelu, 0));
        Assert.Equal(0.5, ActivationMath.Derivative(Activation.GeluTanh, 0));
        Assert.Equal(1, ActivationMath.Derivative(Activation.Tanh, 0));
        Assert.Equal(0.5, ActivationMath.Derivative(Activation.Silu, 0));
    }

    [Fact]
    public void Tanh_MatchesPyTorch_AndItsDerivativeIsOneMinusItsSquare()
    {
        Fixture fixture = Fixture.Load("scalars", "tanh");
        double[] x = fixture.Doubles("x"), y = fixture.Doubles("y");
        for (int i = 0; i < x.Length; i++)
        {
            Assert.Equal(y[i], ActivationMath.Value(Activation.Tanh, x[i]), AbsoluteTolerance);
            Assert.Equal(1 - (y[i] * y[i]), ActivationMath.Derivative(Activation.Tanh, x[i]),
                AbsoluteTolerance);
        }
    }

    [Fact]
    public void Gelu_OfLargeNegativeNumbersKeepsItsDigits()
    {
        // −10·Φ(−10), Φ(−10) = 7.61985302416052606597e-24. Rounding x/√2 to a double changes it by
        // up to x²·2⁻⁵³ = 1.1e-14.
        double value = ActivationMath.Value(Activation.Gelu, -10);
        Assert.InRange(value / -7.61985302416052606597e-23, 1 - 1.2e-14, 1 + 1.2e-14);
    }

    [Theory]
    [InlineData(Activation.Relu)]
    [InlineData(Activation.Gelu)]
    [InlineData(Activation.GeluTanh)]
    [InlineData(Activation.Tanh)]
    [InlineData(Activation.Silu)]
    public void NaN_StaysNaN(Activation activation) =>
        Assert.True(double.IsNaN(ActivationMath.Value(activation, double.NaN)));

    [Fact]
    public void UnknownActivation_IsRejected()
    {
        ArgumentException error = Assert.Throws<ArgumentException>(
            () => ActivationMath.Value((Activation)9, 1));
        Assert.Equal("Activation: 9 is unknown. Use None, Relu, Gelu, GeluTanh, Tanh or Silu.",
            error.Message);
    }
}
