using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Verification.Unfused;

namespace Transformer.Verification.Cases;

/// <summary>Cases of <see cref="LogSoftmaxForward"/>.</summary>
internal static class LogSoftmaxCases
{
    public static IEnumerable<ParityCase> All() => SoftmaxCases.Specs().Select(s =>
        new ParityCase<LogSoftmaxForward>(s.Spec.Name, Tolerance.Sum(s.Spec.Length),
            m => Forward(m, s.Spec), s.Quick));

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        // Maximum, difference, exponential, sum, difference.
        SoftmaxSpec spec = new(size.Rows, size.Vocabulary, 1);
        double elements = (double)spec.Outer * spec.Length;
        yield return new BenchCase<LogSoftmaxForward>(spec.Name,
            new(5 * elements, 8 * elements), m => Forward(m, spec), UnfusedRows.LogSoftmax);
    }

    internal static LogSoftmaxForward Forward(CaseMemory memory, SoftmaxSpec spec)
    {
        (BufferView input, BufferView output) = spec.Operands(memory);
        return new()
        {
            Input = input, Output = output, Outer = spec.Outer, Length = spec.Length,
            Inner = spec.Inner,
        };
    }
}
