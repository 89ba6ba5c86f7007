using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Models.Graph;

/// <summary>How a parameter's numbers are drawn before training.</summary>
/// <remarks>Element i of a parameter depends only on the seed, the parameter's index of
/// declaration and i, so initial weights are the same on every backend and machine.</remarks>
public abstract record Initializer
{
    /// <summary>All zero.</summary>
    public static Initializer Zeros { get; } = new FillInitializer(0);

    /// <summary>All one.</summary>
    public static Initializer Ones { get; } = new FillInitializer(1);

    /// <summary>Normal with mean 0.</summary>
    /// <param name="standardDeviation">Its standard deviation, 0 or more.</param>
    public static Initializer Normal(double standardDeviation) =>
        new NormalInitializer(standardDeviation);

    /// <summary>Uniform in ±gain·√(6 / (fanIn + fanOut)) for a matrix [fanOut, fanIn].</summary>
    /// <remarks>Glorot, Bengio: "Understanding the difficulty of training deep feedforward neural
    /// networks", 2010, eq. 16.</remarks>
    public static Initializer XavierUniform(double gain = 1) => new XavierInitializer(gain);

    /// <summary>The given numbers, one for each element.</summary>
    public static Initializer Constant(float[] values) => new ConstantInitializer(values);

    /// <summary>Writes the first values of a parameter.</summary>
    internal abstract void Fill(
        string name, TensorShape shape, ulong seed, uint stream, Span<float> values);

    private sealed record FillInitializer(float Value) : Initializer
    {
        internal override void Fill(
            string name, TensorShape shape, ulong seed, uint stream, Span<float> values) =>
            values.Fill(Value);
    }

    private sealed record NormalInitializer(double StandardDeviation) : Initializer
    {
        internal override void Fill(
            string name, TensorShape shape, ulong seed, uint stream, Span<float> values)
        {
            for (int i = 0; i < values.Length; i++)
            {
                // Box–Muller; 1 − u lies in (0, 1], so the logarithm is finite.
                double u = Philox.ToUnit(Philox.Word(seed, stream, 0, 2 * (ulong)i));
                double v = Philox.ToUnit(Philox.Word(seed, stream, 0, (2 * (ulong)i) + 1));
                double radius = Math.Sqrt(-2 * Math.Log(1 - u));
                values[i] = (float)(StandardDeviation * radius * Math.Cos(2 * Math.PI * v));
            }
        }
    }

    private sealed record XavierInitializer(double Gain) : Initializer
    {
        internal override void Fill(
            string name, TensorShape shape, ulong seed, uint stream, Span<float> values)
        {
            if (shape.Rank != 2)
            {
                throw new ArgumentException(
                    $"Parameter '{name}': Xavier needs a matrix [out, in]; the shape is {shape}. " +
                    "Use another initializer.");
            }

            double bound = Gain * Math.Sqrt(6.0 / (shape[0] + shape[1]));
            for (int i = 0; i < values.Length; i++)
            {
                double unit = Philox.ToUnit(Philox.Word(seed, stream, 0, (ulong)i));
                values[i] = (float)(((2 * unit) - 1) * bound);
            }
        }
    }

    private sealed record ConstantInitializer(float[] Values) : Initializer
    {
        internal override void Fill(
            string name, TensorShape shape, ulong seed, uint stream, Span<float> values)
        {
            if (Values.Length != values.Length)
            {
                throw new ArgumentException(
                    $"Parameter '{name}': {Values.Length} initial values given; {shape} holds " +
                    $"{values.Length}.");
            }

            Values.CopyTo(values);
        }
    }
}
