using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Support;

namespace Transformer.Tests.FusedAttention;

/// <summary>Two ways to say the same attention give the same bits on the vector kernels.</summary>
public class FusedAttentionSameBitsTests : KernelTest
{
    private static readonly AttentionOptions BottomRight =
        new() { Causal = CausalAlignment.BottomRight };

    // Sequences with at least seven rows a key/value head and up to three tiles of keys: shorter
    // ones alone would take dot products, longer ones would be cut into ranges.
    [Theory]
    [InlineData(CausalAlignment.None)]
    [InlineData(CausalAlignment.TopLeft)]
    [InlineData(CausalAlignment.BottomRight)]
    public void Packed_EqualsACallForEachSequence(CausalAlignment causal)
    {
        int[] queries = [9, 0, 60, 7], keys = [70, 20, 192, 1];
        AttentionOptions options = new() { Causal = causal };
        AttentionSizes sizes = new(4, 4, 2, 60, 192, 20, 12);
        AttentionInputs inputs = new()
        {
            Query = Floats(1, 76 * 4 * 20),
            Key = Floats(2, 283 * 2 * 20),
            Value = Floats(3, 283 * 2 * 12),
            QueryOffsets = Ints(0, 9, 9, 69, 76),
            KeyOffsets = Ints(0, 70, 90, 282, 283),
            TotalQueries = 76,
            TotalKeys = 283,
            Sizes = sizes,
            Options = options,
        };
        double[] weights = Numbers.Normal(4, 76 * 4 * 12);
        AttentionProblem packed = Run(inputs, weights);
        int query = 0, key = 0;
        for (int b = 0; b < 4; b++)
        {
            // [S, H, D] of this sequence alone.
            AttentionInputs one = new()
            {
                Query = Slice(inputs.Query, query * 80, queries[b] * 80),
                Key = Slice(inputs.Key, key * 40, keys[b] * 40),
                Value = Slice(inputs.Value, key * 24, keys[b] * 24),
                QueryStrides = AttentionStrides.SequenceMajor(4, queries[b], 20),
                KeyStrides = AttentionStrides.SequenceMajor(2, keys[b], 20),
                ValueStrides = AttentionStrides.SequenceMajor(2, keys[b], 12),
                OutputStrides = AttentionStrides.SequenceMajor(4, queries[b], 12),
                Sizes = sizes with { Batch = 1, QueryLength = queries[b], KeyLength = keys[b] },
                Options = options,
            };
            AttentionProblem single =
                Run(one, weights[(query * 48)..((query + queries[b]) * 48)]);
            Same("output", packed.Output, query * 48, single.Output);
            Same("dQ", packed.QueryGradient, query * 80, single.QueryGradient);
            Same("dK", packed.KeyGradient, key * 40, single.KeyGradient);
            Same("dV", packed.ValueGradient, key * 24, single.ValueGradient);
            for (int h = 0; h < 4; h++)
            for (int i = 0; i < queries[b]; i++)
            {
                Assert.Equal(single.LogSumExp[(h * queries[b]) + i],
                    packed.LogSumExp[(h * 76) + query + i]);
            }

            query += queries[b];
            key += keys[b];
        }
    }

    /// <summary>Pages that begin with tiles, within them, and that hold several.</summary>
    [Theory]
    [InlineData(16, 21, 300)]
    [InlineData(32, 1, 300)]
    [InlineData(48, 21, 300)]
    [InlineData(64, 70, 300)]
    [InlineData(80, 21, 300)]
    [InlineData(128, 21, 300)]
    [InlineData(16, 1, 1300)]
    [InlineData(48, 8, 1300)]
    public void Paged_EqualsContiguous(int pageSize, int queries, int keys)
    {
        AttentionSizes sizes = new(2, 4, 2, queries, keys, 20, 12);
        int blocks = ((keys - 1) / pageSize) + 1;
        // Odd pages for one sequence, even ones backwards for the other.
        int[] table = [.. Enumerable.Range(0, blocks).Select(i => (2 * i) + 1),
            .. Enumerable.Range(0, blocks).Select(i => 2 * (blocks - 1 - i))];
        AttentionInputs plain = AttentionProblem.Random(this, sizes, 1, DType.Float32) with
        {
            KeyLengths = Ints(keys, keys - 37), Options = BottomRight,
        };
        int rows = 2 * blocks * pageSize;
        TestBuffer key = Output(rows * 2 * 20, DType.Float32);
        TestBuffer value = Output(rows * 2 * 12, DType.Float32);
        Page(plain.Key, key, 20, toPages: true);
        Page(plain.Value, value, 12, toPages: true);
        AttentionInputs inputs = plain with
        {
            Key = key,
            Value = value,
            BlockTable = Ints(table),
            PageSize = pageSize,
            PageCount = 2 * blocks,
        };
        double[] weights = Numbers.Normal(4, (long)2 * 4 * queries * 12);
        AttentionProblem contiguous = Run(plain, weights), paged = Run(inputs, weights);
        Same("output", paged.Output, 0, contiguous.Output);
        Same("lse", paged.LogSumExp, 0, contiguous.LogSumExp);
        Same("dQ", paged.QueryGradient, 0, contiguous.QueryGradient);
        TestBuffer keyGradient = Zeros(contiguous.KeyGradient.Length, DType.Float32);
        TestBuffer valueGradient = Zeros(contiguous.ValueGradient.Length, DType.Float32);
        Page(keyGradient, paged.KeyGradient, 20, toPages: false);
        Page(valueGradient, paged.ValueGradient, 12, toPages: false);
        Same("dK", keyGradient, 0, contiguous.KeyGradient);
        Same("dV", valueGradient, 0, contiguous.ValueGradient);

        void Page(BufferView dense, BufferView pages, int width, bool toPages)
        {
            for (int b = 0; b < 2; b++)
            for (int h = 0; h < 2; h++)
            for (int j = 0; j < (b == 0 ? keys : keys - 37); j++)
            {
                int at = ((((b * 2) + h) * keys) + j) * width;
                int row = (table[(b * blocks) + (j / pageSize)] * pageSize) + (j % pageSize);
                Span<float> one = dense.AsSpan<float>().Slice(at, width);
                Span<float> other =
                    pages.AsSpan<float>().Slice(((row * 2) + h) * width, width);
                if (toPages) one.CopyTo(other);
                else other.CopyTo(one);
            }
        }
    }

    [Theory]
    [InlineData(64, 64, false)]
    [InlineData(10, 24, true)]
    [InlineData(100, 70, true)]
    public void BlockMask_EqualsTheMaskItExpandsTo(int queryBlock, int keyBlock, bool perHead)
    {
        AttentionSizes sizes = new(2, 4, 2, 110, 210, 20, 12);
        int rows = (109 / queryBlock) + 1, columns = (209 / keyBlock) + 1;
        int heads = perHead ? 4 : 1;
        Random random = new(8);
        bool[] blocks =
            [.. Enumerable.Range(0, heads * rows * columns).Select(i => random.Next(3) > 0)];
        bool[] mask = new bool[heads * 110 * 210];
        for (int index = 0; index < mask.Length; index++)
        {
            (int row, int j) = Math.DivRem(index, 210);
            (int h, int i) = Math.DivRem(row, 110);
            mask[index] = blocks[(((h * rows) + (i / queryBlock)) * columns) + (j / keyBlock)];
        }

        AttentionInputs plain = AttentionProblem.Random(this, sizes, 1, DType.Float32) with
        {
            Options = BottomRight,
        };
        SameResults(
            plain with
            {
                BlockMask = Bools(blocks), BlockSize = new(queryBlock, keyBlock, perHead),
            },
            plain with
            {
                Mask = Bools(mask), MaskLayout = new(0, perHead ? 110 * 210 : 0, 210, 210),
            });
    }

    [Fact]
    public void WindowModifier_EqualsTheWindow()
    {
        AttentionInputs plain = Plain();
        SameResults(
            plain with { Score = ScoreModifier.OfDifferentiable(new Window(30, 5)) },
            plain with { Options = new() { Window = new(30, 5) } });
    }

    [Fact]
    public void DocumentModifier_EqualsTheMask()
    {
        AttentionInputs plain = Plain();
        bool[] mask = [.. Enumerable.Range(0, 110 * 210)
            .Select(i => Documents.Of(i / 210) == Documents.Of(i % 210))];
        SameResults(
            plain with { Score = ScoreModifier.OfDifferentiable(new Documents()) },
            plain with { Mask = Bools(mask), MaskLayout = new(0, 0, 210, 210) });
    }

    private AttentionInputs Plain() =>
        AttentionProblem.Random(this, new(2, 4, 2, 110, 210, 20, 12), 1, DType.Float32);

    private void SameResults(AttentionInputs one, AttentionInputs other)
    {
        double[] weights = Numbers.Normal(4, one.QueryRows * 4 * 12);
        AttentionProblem a = Run(one, weights), b = Run(other, weights);
        Same("output", a.Output, 0, b.Output);
        Same("lse", a.LogSumExp, 0, b.LogSumExp);
        Same("dQ", a.QueryGradient, 0, b.QueryGradient);
        Same("dK", a.KeyGradient, 0, b.KeyGradient);
        Same("dV", a.ValueGradient, 0, b.ValueGradient);
    }

    private AttentionProblem Run(AttentionInputs inputs, double[] weights)
    {
        AttentionProblem problem = new(this, inputs, DType.Float32, BackendRegistry.Cpu);
        problem.Forward();
        problem.Backward(weights);
        return problem;
    }

    private TestBuffer Floats(int seed, int count) =>
        Real(Numbers.Normal(seed, count), DType.Float32);

    private static BufferView Slice(BufferView view, int first, int count) =>
        count == 0 ? default : view.Slice(first, count);

    private static void Same(string name, TestBuffer whole, int first, TestBuffer part) =>
        Numbers.Same(part.Values, whole.Values[first..(first + part.Length)], name);

    private readonly struct Window(int left, int right) : IDifferentiableScoreModifier
    {
        public float Apply(float score, int batch, int head, int query, int key) => score;

        public bool IsVisible(int batch, int head, int query, int key) =>
            key >= query - left && key <= query + right;

        public float Derivative(float score, int batch, int head, int query, int key) => 1;
    }

    private readonly struct Documents : IDifferentiableScoreModifier
    {
        public static int Of(int position) => position / 37;

        public float Apply(float score, int batch, int head, int query, int key) => score;

        public bool IsVisible(int batch, int head, int query, int key) => Of(query) == Of(key);

        public float Derivative(float score, int batch, int head, int query, int key) => 1;
    }
}
