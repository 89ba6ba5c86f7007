using Transformer.Backends;

namespace Transformer.Ops;

/// <summary>Softmax over one axis.</summary>
/// <remarks>
/// Formula: output[o, l, i] = exp(x[o, l, i] − m) / Σₖ exp(x[o, k, i] − m), m the line's maximum.
/// Shapes: input and output [Outer, Length, Inner], contiguous; a line is one o and i.
/// Work: one thread, line by line.
/// Bytes: read once into double, written once.
/// Numerics: double. NaN, +∞ or nothing but −∞ in a line makes all of it NaN.
/// Preconditions: a validated call.
/// Source: the definition; Softmax of ai.onnx, opset 13.
/// </remarks>
internal sealed class SoftmaxReference : IKernel<SoftmaxForward>
{
    public void Run(in SoftmaxForward call)
    {
        if (call.Input.Length == 0) return;
        double[] values = ReferenceBuffers.Read(call.Input);
        double[] line = new double[call.Length];
        for (int o = 0; o < call.Outer; o++)
        {
            for (int i = 0; i < call.Inner; i++)
            {
                int first = (o * call.Length * call.Inner) + i;
                for (int l = 0; l < line.Length; l++) line[l] = values[first + (l * call.Inner)];
                (double maximum, double sum) = MaximumAndSum(line);
                for (int l = 0; l < line.Length; l++)
                    values[first + (l * call.Inner)] = Math.Exp(line[l] - maximum) / sum;
            }
        }

        ReferenceBuffers.Write(call.Output, values);
    }

    /// <summary>m = maxₖ xₖ and Σₖ exp(xₖ − m); NaN where the line holds NaN.</summary>
    public static (double Maximum, double Sum) MaximumAndSum(ReadOnlySpan<double> line)
    {
        double maximum = double.NegativeInfinity;
        foreach (double x in line) maximum = Math.Max(maximum, x);
        double sum = 0;
        foreach (double x in line) sum += Math.Exp(x - maximum);
        return (maximum, sum);
    }
}
