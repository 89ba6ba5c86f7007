using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Robustness;
using Transformer.Tests.Support;
using Kernels = Transformer.Ops;

namespace Transformer.Tests.RotaryEmbedding;

/// <summary>The entries on spans, and what they refuse.</summary>
public sealed class RotaryEmbeddingTests : KernelTest
{
    [Theory]
    [InlineData("simd")]
    [InlineData("reference")]
    public void SequenceMajorRows_GiveWhatHeadMajorGives(string name)
    {
        Backend backend = BackendRegistry.Find(name);
        RotarySizes sizes = new(2, 3, 5, 8);
        RotaryTableSpans tables = Tables(sizes.HeadDimension);
        float[] headMajor = Ramp(240), rows = new float[240], expected = new float[240];
        Permute(headMajor, rows, sizes, toRows: true);
        Kernels.RotaryEmbedding.Forward(headMajor, tables, default, sizes, expected, backend);
        AttentionStrides strides = AttentionStrides.SequenceMajor(3, 5, 8);
        Kernels.RotaryEmbedding.Forward(rows, tables,
            new RotaryExtras { InputStrides = strides, OutputStrides = strides }, sizes, rows,
            backend);

        float[] back = new float[240];
        Permute(rows, back, sizes, toRows: false);
        Assert.Equal(expected, back);
        Assert.NotEqual(headMajor, expected);
    }

    [Fact]
    public void Backward_UndoesForward_AndIdsChooseTheRow()
    {
        RotarySizes sizes = new(1, 2, 2, 64);
        RotaryTableSpans tables = Tables(64);
        float[] input = Ramp(256), output = new float[256], shifted = new float[256];
        Kernels.RotaryEmbedding.Forward(
            input, tables, new RotaryExtras { PositionIds = [6, 7] }, sizes, output);
        Kernels.RotaryEmbedding.Forward(
            input, tables, new RotaryExtras { PositionOffset = 6 }, sizes, shifted);
        Assert.Equal(shifted, output);
        Kernels.RotaryEmbedding.Backward(
            output, tables, new RotaryExtras { PositionIds = [6, 7] }, sizes, output);
        // Rotations there and back: two roundings of numbers below √2 each way.
        Assert.All(Enumerable.Range(0, 256), i => Assert.Equal(input[i], output[i], 5e-7));
    }

    [Fact]
    public void Table_HoldsTheAnglesOfThePaper()
    {
        float[] cosines = new float[4 * 3], sines = new float[4 * 3];
        RotaryTable.Fill(cosines, sines, 4, 6);

        Assert.Equal([1f, 1, 1], cosines[..3]);
        Assert.Equal([0f, 0, 0], sines[..3]);
        // θᵢ = 10000^(−2i/6): 1, 10^(−4/3), 10^(−8/3).
        Assert.Equal((float)Math.Cos(3), cosines[9]);
        Assert.Equal((float)Math.Sin(3 * 0.046415888336127795), sines[10], 1e-8f);
        Assert.Equal((float)Math.Cos(3 * 0.0021544346900318843), cosines[11], 1e-7f);

        RotaryTable.Fill(cosines, sines, 4, 6, theta: 1);
        Assert.All(Enumerable.Range(6, 3), i => Assert.Equal((float)Math.Sin(2), sines[i]));
    }

    [Fact]
    public void Table_RefusesWhatHasNoTable()
    {
        float[] some = new float[6];
        Refused(() => RotaryTable.Fill(some, some, 3, 3),
            "RotaryTable: 'rotaryDimension' is 3; expected an even number of 2 or more. Pass ");
        Refused(() => RotaryTable.Fill(some, new float[5], 3, 4),
            "RotaryTable: 'sines' has 5 elements; expected 6 for shape [3, 2]. Pass ");
        Refused(() => RotaryTable.Fill(some, some, -1, 4),
            "RotaryTable: 'maxPositions' is -1; expected 0 or more. Pass ");
        Refused(() => RotaryTable.Fill(some, some, 3, 4, double.NaN),
            "RotaryTable: 'theta' is NaN");
        Refused(() => RotaryTable.Fill(some, some, 3, 4, 0), "RotaryTable: 'theta' is 0");
    }

    [Fact]
    public void Calls_ThatCannotBeRight_AreRefused()
    {
        RotaryEmbeddingForward call = Call();
        BackendRegistry.Cpu.Run(call);
        RotaryInputs inputs = call.Inputs;
        RotaryTables tables = inputs.Tables;
        Refuses(call with { Inputs = inputs with { Tables = tables with { RotaryDimension = 5 } } },
            "RotaryEmbedding: 'RotaryDimension' is 5; expected an even number from 2 to " +
            "HeadDimension 8. Use ");
        RotaryTables wide = tables with { RotaryDimension = 10 };
        Refuses(call with { Inputs = inputs with { Tables = wide } },
            "RotaryEmbedding: 'RotaryDimension' is 10; expected ");
        Refuses(call with { Inputs = inputs with { Sizes = new(1, 2, 3, 7) } },
            "RotaryEmbedding: 'RotaryDimension' is 7; expected an even number ");
        Refuses(call with { Inputs = inputs with { Tables = tables with { Sines = default } } },
            "RotaryEmbedding: 'sines' has no buffer; expected 20 for shape [5, 4]. ");
        Refuses(call with { Inputs = inputs with { Tables = tables with { MaxPositions = 4 } } },
            "RotaryEmbedding: 'cosines' has 20 elements; expected 16 for shape [4, 4]. ");
        Refuses(call with { Inputs = inputs with { PositionOffset = 3 } },
            "RotaryEmbedding: 'PositionOffset' is 3; expected 0 to 2, so that 3 positions fit " +
            "tables of 5. Make ");
        Refuses(call with { Inputs = inputs with { PositionOffset = -1 } },
            "RotaryEmbedding: 'PositionOffset' is -1; expected 0 to 2");
        Refuses(call with { Inputs = inputs with { PositionIds = Longs(0, 1, 2) } },
            "RotaryEmbedding: 'positionIds' is Int64; expected Int32. Convert ");
        Refuses(call with { Inputs = inputs with { PositionIds = Ints(0, 1) } },
            "RotaryEmbedding: 'positionIds' has 2 elements; expected 3 for shape [1, 3]. ");
        RotaryTables gathered = tables with
        {
            MaxPositions = 0, Cosines = Floats(12), Sines = Floats(12),
        };
        BackendRegistry.Cpu.Run(call with { Inputs = inputs with { Tables = gathered } });
        Refuses(call with
        {
            Inputs = inputs with { Tables = gathered, PositionIds = Ints(0, 1, 2) },
        }, "RotaryEmbedding: 'positionIds' is given with gathered tables; expected none. Set ");
        Refuses(call with { Inputs = inputs with { Tables = gathered, PositionOffset = 1 } },
            "RotaryEmbedding: 'PositionOffset' is given with gathered tables; expected none. ");
        Refuses(call with { Input = Ints(new int[48]) },
            "RotaryEmbedding: 'input' is Int32; expected a floating");
        Refuses(call with { Input = Floats(47) },
            "RotaryEmbedding: 'input' has 47 elements; expected at least 48 for [1, 2, 3, 8] ");
        Refuses(call with { Inputs = inputs with { InputStrides = new(0, -8, 8) } },
            "RotaryEmbedding: 'input' has strides (0, -8, 8, 1); expected 0 or more. ");
        Refuses(call with
        {
            Output = Floats(99), Inputs = inputs with { OutputStrides = new(0, 7, 24) },
        }, "RotaryEmbedding: 'output' is written, but with strides (0, 7, 24, 1) rows of ");
        Refuses(call with { Inputs = inputs with { Sizes = new(1, 0, 3, 8) } },
            "RotaryEmbedding: 'Heads' is 0; expected 1 or more. ");
    }

    [Fact]
    public void OutputsThatOverlap_AreRefused_SaveInPlace()
    {
        BufferView memory = Floats(200);
        RotaryEmbeddingForward call = Call() with { Input = memory.Slice(0, 48) };
        BackendRegistry.Cpu.Run(call with { Output = call.Input });
        Refuses(call with { Output = memory.Slice(8, 48) },
            "RotaryEmbedding: 'output' overlaps 'input'. Pass separate buffers or the very same ");
        Refuses(call with
        {
            Output = call.Input,
            Inputs = call.Inputs with { OutputStrides = AttentionStrides.SequenceMajor(2, 3, 8) },
        }, "RotaryEmbedding: 'output' overlaps 'input'. ");
        Refuses(call with
        {
            Output = memory.Slice(100, 48),
            Inputs = call.Inputs with
            {
                Tables = call.Inputs.Tables with { Sines = memory.Slice(140, 20) },
            },
        }, "RotaryEmbedding: 'output' overlaps 'sines'. ");
    }

    [Theory]
    [InlineData("simd")]
    [InlineData("reference")]
    public void Ids_OutsideTheTables_AreRefusedBeforeAnyWork(string name)
    {
        TestBuffer output = Output(48, DType.Float32);
        RotaryEmbeddingForward call = Call() with { Output = output };
        foreach (int id in (int[])[-1, 5, int.MaxValue])
        {
            CallRefusal.Require(call with
            {
                Inputs = call.Inputs with { PositionIds = Ints(0, id, 4) },
            }, $"RotaryEmbedding: 'positionIds[1]' is {id}; expected 0 to 4. Pass ",
                BackendRegistry.Find(name));
        }

        Assert.All(output.Values, x => Assert.True(double.IsNaN(x)));
    }

    private RotaryEmbeddingForward Call() => new()
    {
        Inputs = new()
        {
            Tables = new() { Cosines = Floats(20), Sines = Floats(20), MaxPositions = 5 },
            Sizes = new(1, 2, 3, 8),
        },
        Input = Floats(48),
        Output = Floats(48),
    };

    private TestBuffer Floats(int count) => Zeros(count, DType.Float32);

    private static RotaryTableSpans Tables(int rotary)
    {
        float[] cosines = new float[8 * rotary / 2], sines = new float[8 * rotary / 2];
        RotaryTable.Fill(cosines, sines, 8, rotary);
        return new() { Cosines = cosines, Sines = sines, MaxPositions = 8 };
    }

    private static void Permute(float[] from, float[] to, RotarySizes s, bool toRows)
    {
        int d = s.HeadDimension;
        for (int i = 0; i < s.Batch * s.Heads * s.Length; i++)
        {
            int position = i % s.Length, head = i / s.Length % s.Heads;
            int row = (((i / (s.Length * s.Heads) * s.Length) + position) * s.Heads) + head;
            Array.Copy(from, (toRows ? i : row) * d, to, (toRows ? row : i) * d, d);
        }
    }

    private static void Refused(Action action, string start)
    {
        ArgumentException error = Assert.Throws<ArgumentException>(action);
        Assert.StartsWith(start, error.Message, StringComparison.Ordinal);
    }

    private static void Refuses(RotaryEmbeddingForward call, string start) =>
        CallRefusal.Require(call, start);

    private static float[] Ramp(int count) =>
        [.. Enumerable.Range(0, count).Select(i => ((i * 37 % 101) - 50) / 50f)];
}
