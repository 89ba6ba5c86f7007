using Transformer.Ops;
using Transformer.Tests.Fixtures;
using Transformer.Tests.Support;

namespace Transformer.Tests.Embedding;

public class EmbeddingReferenceTests : KernelTest
{
    /// <summary>At most four operations an element: a few ulps.</summary>
    private const double Tolerance = 1e-15;

    [Fact]
    public void Forward_SumsTheThreeTables()
    {
        // Row 0: 10·[5, 6] + [0.125, 0.25] + [1000, 2000]; row 1: 10·[1, 2] + [0.375, 0.5] + the
        // same segment; rows 2 and 3 start again at position 0.
        TestBuffer output = Output(8);
        Reference.Run(new EmbeddingForward
        {
            Ids = Ints(2, 0, 1, 2),
            Table = Real([1, 2, 3, 4, 5, 6]),
            PositionTable = Real([0.125, 0.25, 0.375, 0.5, 9, 9]),
            SegmentTable = Real([1000, 2000, 3000, 4000]),
            SegmentIds = Ints(0, 0, 1, 1),
            Output = output,
            Rows = 4,
            SequenceLength = 2,
            Width = 2,
            Scale = 10,
        });
        Assert.Equal(
            [1050.125, 2060.25, 1010.375, 2020.5, 3030.125, 4040.25, 3050.375, 4060.5],
            output.Values);
    }

    [Fact]
    public void Backward_AddsRepeatedIds()
    {
        TestBuffer table = Real([100, 100, 100]);
        Reference.Run(new EmbeddingBackward
        {
            Ids = Ints(2, 0, 2),
            OutputGradient = Real([1, 2, 4]),
            TableGradient = table,
            Rows = 3,
            SequenceLength = 3,
            Width = 1,
            Scale = 3,
        });
        Assert.Equal([106.0, 100, 115], table.Values);
    }

    [Theory]
    [MemberData(nameof(Fixture.Cases), "embedding", MemberType = typeof(Fixture))]
    public void ForwardAndBackward_MatchPyTorch(string file, string @case)
    {
        Fixture fixture = Fixture.Load(file, @case);
        double[] table = fixture.Doubles("token");
        int width = (int)fixture.Shape("token")[1];
        int[] ids = fixture.Ints("ids");
        bool positions = fixture.Has("position");
        bool segments = fixture.Has("segment");
        TestBuffer output = Output((long)ids.Length * width);
        EmbeddingForward forward = new()
        {
            Ids = Ints(ids),
            Table = Real(table),
            PositionTable = positions ? Real(fixture.Doubles("position")) : null,
            PositionIds = positions ? Ints(fixture.Ints("positions")) : null,
            SegmentTable = segments ? Real(fixture.Doubles("segment")) : null,
            SegmentIds = segments ? Ints(fixture.Ints("segments")) : null,
            Output = output,
            Rows = ids.Length,
            SequenceLength = (int)fixture.Shape("ids")[1],
            Width = width,
            Scale = fixture.Has("scale") ? fixture.Scalar("scale") : 0,
        };
        Reference.Run(forward);
        Numbers.Close(fixture.Doubles("y"), output.Values, Tolerance, fixture.Name + "/y");

        double[] outputGradient = fixture.Doubles("d_y");
        if (fixture.Has("padding_id"))
        {
            // PyTorch leaves the padding token's row without gradient; here the caller does so.
            int padding = (int)fixture.Scalar("padding_id");
            TestBuffer all = TableGradient(forward, outputGradient);
            double[] expected = fixture.Doubles("d_token");
            double[] actual = all.Values;
            Array.Clear(actual, padding * width, width);
            Numbers.Close(expected, actual, Tolerance, fixture.Name + "/d_token");
            return;
        }

        TestBuffer positionGradient = Zeros(forward.PositionTable.Length);
        TestBuffer segmentGradient = Zeros(forward.SegmentTable.Length);
        TestBuffer tableGradient = TableGradient(
            forward, outputGradient, positions ? positionGradient : null,
            segments ? segmentGradient : null);
        Require("d_token", tableGradient);
        if (positions) Require("d_position", positionGradient);
        if (segments) Require("d_segment", segmentGradient);

        void Require(string name, TestBuffer actual) => Numbers.Close(
            fixture.Doubles(name), actual.Values, Tolerance, $"{fixture.Name}/{name}");
    }

    [Fact]
    public void Backward_MatchesCentralDifferences()
    {
        TestBuffer table = Real(Numbers.Normal(1, 15));
        TestBuffer positions = Real(Numbers.Normal(2, 9));
        TestBuffer segments = Real(Numbers.Normal(3, 6));
        double[] weights = Numbers.Normal(4, 18);
        TestBuffer output = Output(18);
        EmbeddingForward forward = new()
        {
            Ids = Ints(4, 1, 1, 0, 2, 4),
            Table = table,
            PositionTable = positions,
            SegmentTable = segments,
            SegmentIds = Ints(0, 1, 1, 0, 0, 0),
            Output = output,
            Rows = 6,
            SequenceLength = 3,
            Width = 3,
            Scale = 1.7,
        };
        TestBuffer positionGradient = Zeros(9);
        TestBuffer segmentGradient = Zeros(6);
        TestBuffer tableGradient =
            TableGradient(forward, weights, positionGradient, segmentGradient);
        double Loss()
        {
            Reference.Run(forward);
            return Numbers.Dot(weights, output.Values);
        }

        CentralDifference.Check("tableGradient", table, tableGradient.Values, Loss);
        CentralDifference.Check("positionGradient", positions, positionGradient.Values, Loss);
        CentralDifference.Check("segmentGradient", segments, segmentGradient.Values, Loss);
    }

    [Fact]
    public void Calls_RejectWrongArguments()
    {
        EmbeddingForward call = new()
        {
            Ids = Ints(0, 1),
            Table = Real([1, 2, 3, 4]),
            Output = Output(4),
            Rows = 2,
            SequenceLength = 2,
            Width = 2,
        };
        Rejects(call with { Ids = Ints(0, 2) },
            "Embedding: 'ids[1]' is 2; expected 0 to 1. Pass ids of this table.");
        Rejects(call with { Ids = Ints(-1, 0) },
            "Embedding: 'ids[0]' is -1; expected 0 to 1. Pass ids of this table.");
        Rejects(
            call with { PositionTable = Real([1, 2, 3, 4]), PositionIds = Ints(0, 7) },
            "Embedding: 'positionIds[1]' is 7; expected 0 to 1. Pass ids of this table.");
        Rejects(call with { SegmentTable = Real([1, 2]), SegmentIds = Ints(0, 1) },
            "Embedding: 'segmentIds[1]' is 1; expected 0 to 0. Pass ids of this table.");
        Rejects(call with { SegmentTable = Real([1, 2]) },
            "Embedding: 'segmentTable' and 'segmentIds' go together. Pass both or neither.");
        Rejects(call with { SequenceLength = 3 },
            "Embedding: 'Rows' is 2; expected a multiple of 'SequenceLength' 3. Pad every " +
            "sequence to the same length.");
        Rejects(call with { PositionTable = Real([1, 2]) },
            "Embedding: the sequence has 2 tokens; the position table has 1 rows. Shorten the " +
            "text or use a model with more positions.");
        Rejects(call with { Table = Real([1, 2, 3]) },
            "Embedding: 'table' has 3 elements; expected rows of Width 2. Pass whole rows, " +
            "one at least.");
        EmbeddingBackward backward = new()
        {
            Ids = Ints(0, 5),
            OutputGradient = Real([1, 2, 3, 4]),
            TableGradient = Zeros(4),
            Rows = 2,
            SequenceLength = 2,
            Width = 2,
        };
        Rejects(backward, "Embedding: 'ids[1]' is 5; expected 0 to 1. Pass ids of this table.");
    }

    private TestBuffer TableGradient(
        EmbeddingForward forward, double[] outputGradient, TestBuffer? positions = null,
        TestBuffer? segments = null)
    {
        TestBuffer gradient = Zeros(forward.Table.Length);
        Reference.Run(new EmbeddingBackward
        {
            Ids = forward.Ids,
            PositionIds = forward.PositionIds,
            SegmentIds = segments is null ? default : forward.SegmentIds,
            OutputGradient = Real(outputGradient),
            TableGradient = gradient,
            PositionTableGradient = positions,
            SegmentTableGradient = segments,
            Rows = forward.Rows,
            SequenceLength = forward.SequenceLength,
            Width = forward.Width,
            Scale = forward.Scale,
        });
        return gradient;
    }
}
