using Transformer.Backends;

namespace Transformer.Ops;

/// <summary>Log-softmax over one axis.</summary>
/// <remarks>
/// Formula: output[o, l, i] = (x[o, l, i] − m) − ln Σₖ exp(x[o, k, i] − m), m the line's maximum.
/// Shapes: input and output [Outer, Length, Inner], contiguous; a line is one o and i.
/// Work: one thread, line by line.
/// Bytes: read once into double, written once.
/// Numerics: double. NaN, +∞ or nothing but −∞ in a line makes all of it NaN.
/// Preconditions: a validated call.
/// Source: the definition; LogSoftmax of ai.onnx, opset 13.
/// </remarks>
internal sealed class LogSoftmaxReference : IKernel<LogSoftmaxForward>
{
    public void Run(in LogSoftmaxForward call)
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
                (double maximum, double sum) = SoftmaxReference.MaximumAndSum(line);
                double logSum = Math.Log(sum);
                for (int l = 0; l < line.Length; l++)
                    values[first + (l * call.Inner)] = line[l] - maximum - logSum;
            }
        }

        ReferenceBuffers.Write(call.Output, values);
    }
}
