using Transformer.Backends;
using Transformer.Tensors;

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
    public void Run(in SoftmaxForward call) =>
        Run<Normalised>(call.Input, call.Output, call.Outer, call.Length, call.Inner);

    /// <summary>Replaces every line of [outer, length, inner].</summary>
    public static void Run<TLine>(
        BufferView input, BufferView output, int outer, int length, int inner)
        where TLine : struct, ILineFunction
    {
        if (input.Length == 0) return;
        double[] values = ReferenceBuffers.Read(input);
        double[] line = new double[length];
        for (int o = 0; o < outer; o++)
        {
            for (int i = 0; i < inner; i++)
            {
                int first = (o * length * inner) + i;
                for (int l = 0; l < length; l++) line[l] = values[first + (l * inner)];
                TLine.Replace(line);
                for (int l = 0; l < length; l++) values[first + (l * inner)] = line[l];
            }
        }

        ReferenceBuffers.Write(output, values);
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

    private readonly struct Normalised : ILineFunction
    {
        public static void Replace(Span<double> line)
        {
            (double maximum, double sum) = MaximumAndSum(line);
            foreach (ref double x in line) x = Math.Exp(x - maximum) / sum;
        }
    }
}

/// <summary>What a softmax makes of one line.</summary>
internal interface ILineFunction
{
    static abstract void Replace(Span<double> line);
}
