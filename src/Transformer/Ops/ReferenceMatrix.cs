namespace Transformer.Ops;

/// <summary>The three matrix products of a linear layer in double, dense and row-major.</summary>
internal static class ReferenceMatrix
{
    /// <summary>input [rows, inner] · weight [outer, inner]ᵀ + bias [outer], which may be empty.
    /// </summary>
    public static double[] Product(
        double[] input, double[] weight, double[] bias, int rows, int inner, int outer)
    {
        double[] output = ReferenceBuffers.Make((long)rows * outer);
        for (int r = 0; r < rows; r++)
        {
            ReadOnlySpan<double> x = input.AsSpan(r * inner, inner);
            for (int o = 0; o < outer; o++)
            {
                ReadOnlySpan<double> w = weight.AsSpan(o * inner, inner);
                double sum = 0;
                for (int i = 0; i < x.Length; i++) sum += x[i] * w[i];
                output[(r * outer) + o] = bias.Length > 0 ? sum + bias[o] : sum;
            }
        }

        return output;
    }

    /// <summary>gradient [rows, outer] · weight [outer, inner]: the input's gradient.</summary>
    public static double[] InputGradient(
        double[] gradient, double[] weight, int rows, int inner, int outer)
    {
        double[] result = ReferenceBuffers.Make((long)rows * inner);
        for (int r = 0; r < rows; r++)
        {
            Span<double> target = result.AsSpan(r * inner, inner);
            for (int o = 0; o < outer; o++)
            {
                ReadOnlySpan<double> w = weight.AsSpan(o * inner, inner);
                double g = gradient[(r * outer) + o];
                for (int i = 0; i < target.Length; i++) target[i] += g * w[i];
            }
        }

        return result;
    }

    /// <summary>gradient [rows, outer]ᵀ · input [rows, inner]: the weight's gradient.</summary>
    public static double[] WeightGradient(
        double[] gradient, double[] input, int rows, int inner, int outer)
    {
        double[] result = ReferenceBuffers.Make((long)outer * inner);
        for (int o = 0; o < outer; o++)
        {
            Span<double> target = result.AsSpan(o * inner, inner);
            for (int r = 0; r < rows; r++)
            {
                ReadOnlySpan<double> x = input.AsSpan(r * inner, inner);
                double g = gradient[(r * outer) + o];
                for (int i = 0; i < target.Length; i++) target[i] += g * x[i];
            }
        }

        return result;
    }

    /// <summary>Column sums of gradient [rows, outer]: the bias's gradient.</summary>
    public static double[] BiasGradient(double[] gradient, int rows, int outer)
    {
        double[] result = new double[outer];
        for (int r = 0; r < rows; r++)
        {
            for (int o = 0; o < outer; o++) result[o] += gradient[(r * outer) + o];
        }

        return result;
    }
}
