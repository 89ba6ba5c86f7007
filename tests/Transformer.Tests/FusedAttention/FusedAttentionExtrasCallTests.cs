using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Support;

namespace Transformer.Tests.FusedAttention;

/// <summary>What is said about packed and paged sequences, block masks, position terms, dropout and
/// modifiers that cannot be.</summary>
public class FusedAttentionExtrasCallTests : KernelTest
{
    private static readonly AttentionSizes Sizes = new(2, 2, 1, 3, 20, 2, 2);

    [Fact]
    public void Offsets_AreChecked()
    {
        AttentionInputs packed = Padded() with { TotalQueries = 6 };
        Rejects(packed, "'TotalQueries' is 6 without 'queryOffsets'. Pass the offsets of the " +
            "packed sequences, or 0 for sequences that are not packed.");
        Rejects(packed with { QueryOffsets = Ints(0, 6) }, "'queryOffsets' has 2 elements; " +
            "expected 3 for shape [3]. Pass a buffer of that size.");
        Rejects(packed with { QueryOffsets = Longs(0, 3, 6) },
            "'queryOffsets' is Int64; expected Int32. Convert it first.");
        Rejects(packed with { QueryOffsets = Ints(0, 3, 2) }, "'queryOffsets[1..2]' is 3, 2; " +
            "expected offsets that rise by 0 to 3 (QueryLength). Pass cumulative lengths.");
        Rejects(packed with { QueryOffsets = Ints(0, 4, 6) }, "'queryOffsets[0..1]' is 0, 4; " +
            "expected offsets that rise by 0 to 3 (QueryLength). Pass cumulative lengths.");
        Rejects(packed with { QueryOffsets = Ints(-1, 1, 3) }, "'queryOffsets[0..1]' is -1, 1; " +
            "expected offsets that rise by 0 to 3 (QueryLength). Pass cumulative lengths.");
        Rejects(packed with { QueryOffsets = Ints(1, 3, 6) }, "'queryOffsets' runs from 1 to 6; " +
            "expected from 0 to at most the 6 rows there are. Pass cumulative lengths.");
        Rejects(packed with { QueryOffsets = Ints(0, 3, 6), TotalQueries = 5 },
            "'queryOffsets' runs from 0 to 6; " +
            "expected from 0 to at most the 5 rows there are. Pass cumulative lengths.");
        Rejects(packed with { QueryOffsets = Ints(0, int.MaxValue, int.MinValue) },
            "'queryOffsets[0..1]' is 0, 2147483647; expected offsets that rise by 0 to 3 " +
            "(QueryLength). Pass cumulative lengths.");
        Rejects(packed with { TotalQueries = -1 },
            "'TotalQueries' is -1; expected 0 or more. Pass the tensors' size.");
    }

    [Fact]
    public void PackedKeys_AreChecked()
    {
        AttentionInputs packed = Padded() with { KeyOffsets = Ints(0, 15, 35), TotalKeys = 35 };
        Rejects(packed with { TotalKeys = 41 }, "'key' has 80 elements; expected at least 82 for " +
            "[1, 1, 41, 2] with strides (82, 2, 2, 1). Pass a larger buffer or smaller strides.");
        Rejects(packed with { KeyLengths = Ints(16, 20) }, "'keyLengths[0]' is 16; expected 0 to " +
            "15, the keys of that sequence. Pass each sequence's number of keys.");
        Rejects(packed with { KeyOffsets = Ints(0, 21, 35) }, "'keyOffsets[0..1]' is 0, 21; " +
            "expected offsets that rise by 0 to 20 (KeyLength). Pass cumulative lengths.");
        Rejects(packed with { KeyOffsets = default },
            "'TotalKeys' is 35 without 'keyOffsets'. Pass the offsets of the packed sequences, " +
            "or 0 for sequences that are not packed.");
    }

    [Fact]
    public void Pages_AreChecked()
    {
        AttentionInputs paged = Paged();
        Rejects(paged with { PageSize = 20 }, "'PageSize' is 20; expected a multiple of 16. Use " +
            "16 for little waste, 64 or more for speed.");
        Rejects(paged with { PageSize = 0 }, "'PageSize' is 0; expected a multiple of 16. Use " +
            "16 for little waste, 64 or more for speed.");
        Rejects(paged with { PageCount = 0 },
            "'PageCount' is 0; expected 1 or more. Pass the tensors' size.");
        Rejects(paged with { KeyLengths = default }, "'keyLengths' is absent; expected [B] with " +
            "paged keys. Pass how many keys each sequence has.");
        Rejects(paged with { KeyOffsets = Ints(0, 20, 40), TotalKeys = 40 },
            "'blockTable' and 'keyOffsets' are both given; keys are either paged or packed. " +
            "Leave one out.");
        Rejects(paged with { BlockTable = default }, "'PageSize' is 16 without 'blockTable'. " +
            "Pass the table, or 0 for keys that are not paged.");
        Rejects(paged with { BlockTable = Ints(0, 1) }, "'blockTable' has 2 elements; expected " +
            "[2, 2 or more] for 20 keys in pages of 16. Give every sequence the same number of " +
            "entries.");
        Rejects(paged with { BlockTable = Ints(0, 1, 2, 3, 0) }, "'blockTable' has 5 elements; " +
            "expected [2, 2 or more] for 20 keys in pages of 16. Give every sequence the same " +
            "number of entries.");
        Rejects(paged with { BlockTable = Longs(0, 1, 2, 3) },
            "'blockTable' is Int64; expected Int32. Convert it first.");
        Rejects(paged with { BlockTable = Ints(0, 4, 2, 3) }, "'blockTable[0, 1]' is 4; expected " +
            "a page from 0 to 3. Give the sequence a page for each block of its rows.");
        Rejects(paged with { BlockTable = Ints(0, 1, -1, 3) }, "'blockTable[1, 0]' is -1; " +
            "expected a page from 0 to 3. Give the sequence a page for each block of its rows.");
        Rejects(paged with { KeyLengths = Ints(21, 3) }, "'keyLengths[0]' is 21; expected 0 to " +
            "20. Pass each sequence's number of keys.");
        Rejects(paged with { PageCount = 5 }, "'key' has 128 elements; expected at least 160 for " +
            "[5, 1, 16, 2] with strides (32, 2, 2, 1). Pass a larger buffer or smaller strides.");
    }

    [Fact]
    public void SharedPages_AreReadButNotWritten()
    {
        AttentionInputs shared = Paged() with { BlockTable = Ints(2, 0, 2, 1) };
        AttentionProblem problem = new(this, shared);
        problem.Forward();
        Assert.All(problem.Output.Values, x => Assert.True(double.IsFinite(x)));
        ArgumentException error = Assert.Throws<ArgumentException>(
            () => problem.Backward(new double[problem.Output.Length]));
        Assert.Equal("FusedAttention: 'blockTable[1, 0]' is 2, a page that another block " +
            "writes to; expected a page of its own. Copy a shared page before writing to it.",
            error.Message);
        Assert.All(problem.KeyGradient.Values, x => Assert.True(double.IsNaN(x)));
    }

    [Fact]
    public void BlockMask_IsChecked()
    {
        AttentionInputs inputs = Padded() with { BlockSize = new(2, 8, true) };
        Rejects(inputs with { BlockMask = Bools(new bool[6]) }, "'blockMask' has 6 elements; " +
            "expected 12 for shape [2, 2, 3]. Pass a buffer of that size.");
        Rejects(inputs with { BlockMask = Bools(new bool[6]), BlockSize = new(2, 10, false) },
            "'blockMask' has 6 elements; expected 4 for shape [1, 2, 2]. Pass a buffer of that " +
            "size.");
        Rejects(inputs with { BlockMask = Bools(new bool[6]), BlockSize = new(0, 8, true) },
            "'BlockSize.QueryBlock' is 0; expected 1 or more. Pass the tensors' size.");
        Rejects(inputs with { BlockMask = Bools(new bool[6]), BlockSize = new(2, -8, true) },
            "'BlockSize.KeyBlock' is -8; expected 1 or more. Pass the tensors' size.");
        Rejects(inputs with { BlockMask = Ints(new int[12]) }, "'blockMask' is Int32; expected " +
            "Bool, true = may attend. Convert it first.");
    }

    [Fact]
    public void PositionTermsAndSinks_AreChecked()
    {
        AttentionInputs inputs = Padded();
        Rejects(inputs with { AlibiSlopes = Real([1]) }, "'alibiSlopes' has 1 elements; " +
            "expected 2 for shape [2]. Pass a buffer of that size.");
        Rejects(inputs with { AlibiSlopes = Ints(1, 2) },
            "'alibiSlopes' is Int32; expected a floating-point type. Convert it first.");
        Rejects(inputs with { Sinks = Real([1, 2, 3]) }, "'sinks' has 3 elements; " +
            "expected 2 for shape [2]. Pass a buffer of that size.");
        Rejects(inputs with { RelativeBias = Real(new double[8]) },
            "'relativeBias' is given without Options.RelativeBuckets. Say how distances fall " +
            "into its rows.");
        Rejects(WithBuckets(new(4, 8, true)), "'relativeBias' has no buffer; expected 8 for " +
            "shape [4, 2]. Pass a buffer of that size.");
        Rejects(WithBuckets(new(4, 8, true)) with { RelativeBias = Real(new double[4]) },
            "'relativeBias' has 4 elements; expected 8 for shape [4, 2]. Pass a buffer of that " +
            "size.");
        foreach (RelativePositionBuckets buckets in new RelativePositionBuckets[]
        {
            new(1, 8, false), new(0, 8, false), new(-4, 8, true), new(2, 8, true), new(5, 8, true),
        })
        {
            Rejects(WithBuckets(buckets), $"'RelativeBuckets.Count' is {buckets.Count}; expected " +
                "at least 2, and an even number from 4 on where Bidirectional. T5 uses 32.");
        }

        foreach (RelativePositionBuckets buckets in new RelativePositionBuckets[]
        {
            new(32, 8, true), new(16, 8, false), new(16, -1, false), new(32, 65537, true),
        })
        {
            Rejects(WithBuckets(buckets), "'RelativeBuckets.MaximumDistance' is " +
                $"{buckets.MaximumDistance}; expected more than the 8 distances with a bucket " +
                "each, up to 65536. T5 uses 128.");
        }
    }

    [Theory]
    [InlineData(double.NaN, "NaN")]
    [InlineData(1.0, "1")]
    [InlineData(-0.25, "-0.25")]
    [InlineData(double.PositiveInfinity, "Infinity")]
    public void DropoutProbability_IsChecked(double probability, string shown) => Rejects(
        Padded() with
        {
            RandomState = Longs(1, 2), Options = new() { DropoutProbability = probability },
        },
        $"'DropoutProbability' is {shown}; expected 0 up to, but not, 1. Use 0 for none.");

    [Fact]
    public void RandomState_IsChecked()
    {
        AttentionInputs inputs = Padded() with { Options = new() { DropoutProbability = 0.5 } };
        Rejects(inputs, "'randomState' has no buffer; expected 2 for shape [2]. Pass a buffer " +
            "of that size.");
        Rejects(inputs with { RandomState = Longs(1) }, "'randomState' has 1 elements; expected " +
            "2 for shape [2]. Pass a buffer of that size.");
        Rejects(inputs with { RandomState = Ints(1, 2) }, "'randomState' is Int32; expected " +
            "Int64, seed and step. Convert it first.");
    }

    [Fact]
    public void SumGradients_AreChecked()
    {
        AttentionInputs inputs = WithBuckets(new(4, 8, true)) with
        {
            RelativeBias = Real(new double[8]), Sinks = Real([1, 2]),
        };
        AttentionBackward call = new()
        {
            Inputs = inputs,
            Output = Output(24),
            LogSumExp = Output(12),
            OutputGradient = Output(24),
            QueryGradient = Output(24),
            KeyGradient = Output(80),
            ValueGradient = Output(80),
        };
        KernelTest.Rejects(call with { RelativeBiasGradient = Zeros(7) },
            "FusedAttention: 'relativeBiasGradient' has 7 elements; expected 8, as " +
            "'relativeBias' has. Pass a buffer of that size.");
        KernelTest.Rejects(call with { SinkGradient = Zeros(1) },
            "FusedAttention: 'sinkGradient' has 1 elements; expected 2, as 'sinks' has. Pass a " +
            "buffer of that size.");
        KernelTest.Rejects(call with { SinkGradient = inputs.Sinks },
            "FusedAttention: 'sinkGradient' overlaps 'sinks'. Pass separate buffers.");
        KernelTest.Rejects(call with { SinkGradient = Ints(1, 2) },
            "FusedAttention: 'sinkGradient' is Int32; expected a floating-point type. Convert " +
            "it first.");
    }

    [Theory]
    [InlineData("reference")]
    [InlineData("simd")]
    public void ModifierWithoutDerivative_HasNoBackwardPass(string backend)
    {
        AttentionInputs inputs = AttentionProblem.Random(this, Sizes, 1, DType.Float32) with
        {
            Score = ScoreModifier.Of(new Halve()),
        };
        AttentionProblem problem =
            new(this, inputs, DType.Float32, BackendRegistry.Find(backend));
        problem.Forward();
        NotSupportedException error = Assert.Throws<NotSupportedException>(
            () => problem.Backward(new double[problem.Output.Length]));
        Assert.Contains("score modifier 'Halve' has no derivative", error.Message,
            StringComparison.Ordinal);
    }

    private readonly struct Halve : IScoreModifier
    {
        public float Apply(float score, int batch, int head, int query, int key) => score / 2;

        public bool IsVisible(int batch, int head, int query, int key) => true;
    }

    private void Rejects(AttentionInputs inputs, string message)
    {
        AttentionForward call = new() { Inputs = inputs, Output = Output(24) };
        KernelTest.Rejects(call, "FusedAttention: " + message);
        // The vector kernel says the same, before it writes anything.
        ArgumentException error =
            Assert.ThrowsAny<ArgumentException>(() => BackendRegistry.Cpu.Run(AsFloat(call)));
        Assert.Equal("FusedAttention: " + message, error.Message);
    }

    private AttentionForward AsFloat(AttentionForward call) => call with
    {
        Inputs = call.Inputs with
        {
            Query = AsFloat(call.Inputs.Query),
            Key = AsFloat(call.Inputs.Key),
            Value = AsFloat(call.Inputs.Value),
            AlibiSlopes = AsFloat(call.Inputs.AlibiSlopes),
            RelativeBias = AsFloat(call.Inputs.RelativeBias),
            Sinks = AsFloat(call.Inputs.Sinks),
        },
        Output = Output(24, DType.Float32),
    };

    private BufferView AsFloat(BufferView view) => view.DType != DType.Float64
        ? view : view.IsAbsent ? default : Output(view.Length, DType.Float32);

    private AttentionInputs WithBuckets(RelativePositionBuckets buckets) =>
        Padded() with { Options = new() { RelativeBuckets = buckets } };

    private AttentionInputs Padded() => AttentionProblem.Random(this, Sizes);

    private AttentionInputs Paged() => Padded() with
    {
        Key = Real(Numbers.Normal(2, 4 * 16 * 2)),
        Value = Real(Numbers.Normal(3, 4 * 16 * 2)),
        KeyLengths = Ints(20, 3),
        BlockTable = Ints(2, 0, 3, -1),
        PageSize = 16,
        PageCount = 4,
    };
}
