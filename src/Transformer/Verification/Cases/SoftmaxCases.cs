using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Verification.Unfused;

namespace Transformer.Verification.Cases;

/// <summary>Cases of <see cref="SoftmaxForward"/>; those of <see cref="LogSoftmaxForward"/> are the
/// same tensors.</summary>
internal static class SoftmaxCases
{
    private static readonly (int Outer, int Length, int Inner)[] Shapes =
    [
        (1, 1, 1), (3, 2, 1), (2, 15, 1), (5, 16, 1), (17, 17, 1), (33, 31, 1), (16, 63, 1),
        (4, 65, 1), (7, 97, 1), (3, 1031, 1), (130, 5, 1), (0, 16, 1), (2, 0, 3), (2, 3, 0),
        (1, 1, 2), (3, 7, 2), (2, 5, 15), (4, 3, 17), (2, 33, 31), (1, 9, 63), (1, 4, 64),
        (3, 2, 65), (2, 6, 130), (1, 40, 257),
    ];

    /// <summary>Every shape, every option.</summary>
    public static IEnumerable<(SoftmaxSpec Spec, bool Quick)> Specs()
    {
        for (int i = 0; i < Shapes.Length; i++)
        {
            (int outer, int length, int inner) = Shapes[i];
            yield return (new(outer, length, inner) { InPlace = i % 3 == 2 },
                i is 4 or 7 or 18 or 21);
        }

        yield return (new(5, 45, 1) { Large = true }, true);
        yield return (new(2, 11, 21) { Large = true }, true);
        yield return (new(5, 45, 1) { Masked = true }, true);
        yield return (new(2, 11, 21) { Masked = true, InPlace = true }, true);
    }

    public static IEnumerable<ParityCase> All() => Specs().Select(s =>
        new ParityCase<SoftmaxForward>(s.Spec.Name, Tolerance.Sum(s.Spec.Length),
            m => Forward(m, s.Spec), s.Quick));

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        // Maximum, difference, exponential, sum, product.
        SoftmaxSpec last = new(size.Rows, size.Vocabulary, 1);
        double elements = (double)last.Outer * last.Length;
        yield return new BenchCase<SoftmaxForward>(last.Name,
            new(5 * elements, 8 * elements), m => Forward(m, last), UnfusedRows.Softmax)
        {
            SixteenBit = true,
        };
        SoftmaxSpec other = new(1, size.Rows, size.Width);
        elements = (double)other.Length * other.Inner;
        yield return new BenchCase<SoftmaxForward>(
            other.Name, new(5 * elements, 8 * elements), m => Forward(m, other))
        {
            SixteenBit = true,
        };
    }

    internal static SoftmaxForward Forward(CaseMemory memory, SoftmaxSpec spec)
    {
        (BufferView input, BufferView output) = spec.Operands(memory);
        return new()
        {
            Input = input, Output = output, Outer = spec.Outer, Length = spec.Length,
            Inner = spec.Inner,
        };
    }
}

/// <summary>Tensor and options of a softmax or log-softmax.</summary>
internal sealed record SoftmaxSpec(int Outer, int Length, int Inner)
{
    public bool InPlace { get; init; }

    /// <summary>Inputs up to ±30,000, multiples of 1/2.</summary>
    public bool Large { get; init; }

    /// <summary>Every third element is −∞, never a whole line.</summary>
    public bool Masked { get; init; }

    public string Name => FormattableString.Invariant($"[{Outer}, {Length}, {Inner}]") +
        (InPlace ? " in place" : "") + (Large ? " large" : "") + (Masked ? " masked" : "");

    public (BufferView Input, BufferView Output) Operands(CaseMemory memory)
    {
        long count = (long)Outer * Length * Inner;
        double[] values = memory.Normal("input", count, 0, 2);
        for (int i = 0; i < values.Length; i++)
        {
            if (Large) values[i] = Math.Round(values[i] * 10000) / 2;
            if (Masked && i / Inner % 3 == 1) values[i] = double.NegativeInfinity;
        }

        if (InPlace)
        {
            BufferView both = memory.Updated("input", values);
            return (both, both);
        }

        return (memory.Input("input", values), memory.Output("output", count));
    }
}
