using Transformer.Ops;

namespace Transformer.Verification.Cases;

/// <summary>Cases of <see cref="EmbeddingForward"/> and <see cref="EmbeddingBackward"/>.</summary>
internal static class EmbeddingCases
{
    private const int Segments = 2;

    private static readonly (int Sequences, int Length, int Width, int Vocabulary)[] Shapes =
    [
        (1, 1, 1, 2), (2, 3, 15, 7), (1, 17, 16, 40), (3, 5, 17, 11), (2, 31, 33, 5),
        (4, 16, 64, 100), (1, 65, 63, 31), (5, 13, 251, 20), (1, 2, 1031, 3), (0, 4, 16, 5),
    ];

    public static IEnumerable<ParityCase> All()
    {
        for (int i = 0; i < Shapes.Length; i++)
        {
            Spec spec = new(
                Shapes[i].Sequences, Shapes[i].Length, Shapes[i].Width, Shapes[i].Vocabulary)
            {
                Positions = i % 2 == 1,
                ExplicitPositions = i % 4 == 3,
                Segmented = i % 3 == 2,
                Scale = i % 2 == 0 ? 0 : Math.Sqrt(Shapes[i].Width),
            };
            yield return ForwardCase(spec, i is 1 or 3 or 5);
            yield return BackwardCase(spec, i is 1 or 3 or 5);
        }

        Spec full = new(3, 14, 40, 30) { Positions = true, Segmented = true, Scale = 3 };
        yield return ForwardCase(full, quick: true);
        yield return BackwardCase(full, quick: true);
        yield return BackwardCase(full with { TableFixed = true }, quick: false);
    }

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        Spec spec = new(size.Batch, size.Length, size.Width, size.Vocabulary)
        {
            Positions = true,
            Scale = Math.Sqrt(size.Width),
        };
        double elements = (double)spec.Rows * spec.Width;
        yield return new BenchCase<EmbeddingForward>(
            spec.Name, new(2 * elements, 12 * elements), m => Forward(m, spec))
        {
            SixteenBit = true,
        };
        yield return new BenchCase<EmbeddingBackward>(
            spec.Name, new(3 * elements, 20 * elements), m => Backward(m, spec))
        {
            SixteenBit = true,
        };
    }

    internal static EmbeddingForward Forward(CaseMemory memory, Spec spec)
    {
        int rows = spec.Rows;
        return new()
        {
            Ids = memory.Input("ids", memory.Integers("ids", rows, spec.Vocabulary)),
            Table = memory.Input("table", (long)spec.Vocabulary * spec.Width),
            PositionTable = spec.Positions
                ? memory.Input("positionTable", (long)spec.PositionRows * spec.Width) : default,
            PositionIds = spec.ExplicitPositions ? memory.Input(
                "positionIds", memory.Integers("positionIds", rows, spec.PositionRows)) : default,
            SegmentTable = spec.Segmented
                ? memory.Input("segmentTable", (long)Segments * spec.Width) : default,
            SegmentIds = spec.Segmented ? memory.Input(
                "segmentIds", memory.Integers("segmentIds", rows, Segments)) : default,
            Output = memory.Output("output", (long)rows * spec.Width),
            Rows = rows,
            SequenceLength = spec.Length,
            Width = spec.Width,
            Scale = spec.Scale,
        };
    }

    internal static EmbeddingBackward Backward(CaseMemory memory, Spec spec)
    {
        int rows = spec.Rows;
        return new()
        {
            Ids = memory.Input("ids", memory.Integers("ids", rows, spec.Vocabulary)),
            PositionIds = spec.ExplicitPositions ? memory.Input(
                "positionIds", memory.Integers("positionIds", rows, spec.PositionRows)) : default,
            SegmentIds = spec.Segmented ? memory.Input(
                "segmentIds", memory.Integers("segmentIds", rows, Segments)) : default,
            OutputGradient = memory.Input("outputGradient", (long)rows * spec.Width),
            TableGradient = spec.TableFixed ? default
                : memory.Updated("tableGradient", (long)spec.Vocabulary * spec.Width),
            PositionTableGradient = spec.Positions ? memory.Updated(
                "positionTableGradient", (long)spec.PositionRows * spec.Width) : default,
            SegmentTableGradient = spec.Segmented
                ? memory.Updated("segmentTableGradient", (long)Segments * spec.Width) : default,
            Rows = rows,
            SequenceLength = spec.Length,
            Width = spec.Width,
            Scale = spec.Scale,
        };
    }

    private static ParityCase<EmbeddingForward> ForwardCase(Spec spec, bool quick) =>
        new(spec.Name, Tolerance.Elementwise(4), m => Forward(m, spec), quick);

    private static ParityCase<EmbeddingBackward> BackwardCase(Spec spec, bool quick) =>
        new(spec.Name, Tolerance.Sum(spec.Rows), m => Backward(m, spec), quick);

    internal sealed record Spec(int Sequences, int Length, int Width, int Vocabulary)
    {
        public bool Positions { get; init; }

        public bool ExplicitPositions { get; init; }

        public bool Segmented { get; init; }

        public bool TableFixed { get; init; }

        public double Scale { get; init; }

        public int Rows => Sequences * Length;

        public int PositionRows => Length + 3;

        public string Name => FormattableString.Invariant(
            $"[{Sequences}, {Length}] of {Vocabulary} to {Width}") +
            (Positions ? ExplicitPositions ? " position ids" : " positions" : "") +
            (Segmented ? " segments" : "") + (Scale == 0 ? "" : " scaled") +
            (TableFixed ? " fixed table" : "");
    }
}
