using Transformer.Numerics;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Verification.Cases;

/// <summary>Cases of <see cref="DropoutForward"/> and <see cref="DropoutBackward"/>.</summary>
internal static class DropoutCases
{
    private const uint Stream = 7;

    private static readonly int[] Lengths = [0, 1, 15, 16, 17, 31, 63, 64, 65, 251, 1031, 20011];

    public static IEnumerable<ParityCase> All()
    {
        foreach (int length in Lengths)
        {
            foreach (ParityCase single in Both(new(length, 0.3f), length is 31 or 65))
            {
                yield return single;
            }
        }

        Spec[] others =
        [
            new(67, 0), new(67, 0.95f), new(67, 0.5f) { InPlace = true },
            new(67, 0.1f) { Seed = -3, Step = 5_000_000_000 },
        ];
        foreach (Spec spec in others)
        {
            foreach (ParityCase single in Both(spec, quick: true)) yield return single;
        }
    }

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        Spec spec = new(size.Rows * size.Width, 0.1f);
        BenchWork work = new(spec.Length, 8.0 * spec.Length);
        yield return new BenchCase<DropoutForward>(spec.Name, work, m => Forward(m, spec));
        yield return new BenchCase<DropoutBackward>(spec.Name, work, m => Backward(m, spec));
    }

    private static IEnumerable<ParityCase> Both(Spec spec, bool quick)
    {
        yield return new ParityCase<DropoutForward>(
            spec.Name, Tolerance.Elementwise(1), m => Forward(m, spec), quick);
        yield return new ParityCase<DropoutBackward>(
            spec.Name, Tolerance.Elementwise(1), m => Backward(m, spec), quick);
    }

    internal static DropoutForward Forward(CaseMemory memory, Spec spec)
    {
        (BufferView input, BufferView output) = Buffers(memory, spec, "input", "output");
        return new()
        {
            Input = input,
            Output = output,
            RandomState = memory.Input("randomState", [spec.Seed, spec.Step]),
            Length = spec.Length,
            Probability = spec.Probability,
            Stream = Stream,
        };
    }

    private static DropoutBackward Backward(CaseMemory memory, Spec spec)
    {
        (BufferView input, BufferView output) =
            Buffers(memory, spec, "outputGradient", "inputGradient");
        return new()
        {
            OutputGradient = input,
            InputGradient = output,
            RandomState = memory.Input("randomState", [spec.Seed, spec.Step]),
            Length = spec.Length,
            Probability = spec.Probability,
            Stream = Stream,
        };
    }

    // Which elements are dropped is written down here once more, from the definition.
    private static (BufferView Input, BufferView Output) Buffers(
        CaseMemory memory, Spec spec, string input, string output)
    {
        OutputRule rule = new()
        {
            ExactZero = index => Philox.ToUnit(Philox.Word(
                (ulong)spec.Seed, Stream, (uint)spec.Step, (ulong)index)) < spec.Probability,
        };
        if (!spec.InPlace)
        {
            return (memory.Input(input, spec.Length), memory.Output(output, spec.Length, rule));
        }

        BufferView both = memory.Updated(input, spec.Length, rule);
        return (both, both);
    }

    internal sealed record Spec(int Length, float Probability)
    {
        public bool InPlace { get; init; }

        public long Seed { get; init; } = 12345;

        public long Step { get; init; } = 3;

        public string Name => FormattableString.Invariant($"[{Length}] p = {Probability}") +
            (InPlace ? " in place" : "") + (Seed < 0 ? " large step" : "");
    }
}
