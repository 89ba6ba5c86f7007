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
    public void Run(in LogSoftmaxForward call) => SoftmaxReference.Run<Logarithm>(
        call.Input, call.Output, call.Outer, call.Length, call.Inner);

    private readonly struct Logarithm : ILineFunction
    {
        public static void Replace(Span<double> line)
        {
            (double maximum, double sum) = SoftmaxReference.MaximumAndSum(line);
            double logSum = Math.Log(sum);
            foreach (ref double x in line) x = x - maximum - logSum;
        }
    }
}
