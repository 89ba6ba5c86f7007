using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Support;

namespace Transformer.Tests.FusedAttention;

/// <summary>Rows that lie more than 2³¹ elements apart, in memory of which only they exist.
/// </summary>
public class FusedAttentionLargeOffsetTests : KernelTest
{
    private const long Billion = 1L << 30;

    // Heads 2³¹ elements apart and sequences 2³⁰; positions 2³⁰ apart, the last at 3·2³⁰; pages of
    // 16 keys 2³⁰ apart, the last at 5·2³⁰.
    [SkippableTheory]
    [InlineData("simd", "sequences and heads", DType.Float32)]
    [InlineData("simd", "positions", DType.Float32)]
    [InlineData("simd", "pages", DType.Float32)]
    [InlineData("simd", "sequences and heads", DType.Float16)]
    [InlineData("reference", "sequences and heads", DType.Float32)]
    [InlineData("reference", "positions", DType.Float32)]
    [InlineData("reference", "pages", DType.Float32)]
    public void RowsFarApart_EqualDenseRows(string backend, string apart, DType dtype)
    {
        AttentionSizes s = new(2, 2, 2, 4, apart == "pages" ? 40 : 4, 16, 16);
        AttentionInputs dense = AttentionProblem.Random(this, s, 1, dtype) with
        {
            Options = new() { Causal = CausalAlignment.BottomRight },
        };
        int[] table = [4, 0, 3, 1, 2, 5];
        if (apart == "pages") dense = Paged(dense, table);
        double[] weights = Numbers.Normal(4, dense.Query.Length);
        AttentionProblem expected = new(this, dense, dtype, BackendRegistry.Find(backend));
        expected.Forward();
        expected.Backward(weights);

        AttentionStrides queries = apart == "positions"
            ? new(48, 16, Billion + 96) : new(Billion + 128, (2 * Billion) + 4096, 16);
        AttentionStrides keys = apart == "pages" ? new(Billion + 1024, 16, 48) : queries;
        AttentionInputs inputs = dense with
        {
            QueryStrides = queries, OutputStrides = queries, KeyStrides = keys,
            ValueStrides = keys,
        };
        Compare(expected, inputs, dense, weights, dtype, BackendRegistry.Find(backend));
    }

    private void Compare(
        AttentionProblem expected, AttentionInputs inputs, AttentionInputs dense,
        double[] weights, DType dtype, Backend backend)
    {
        AttentionStrides q = inputs.EffectiveQueryStrides, o = inputs.EffectiveOutputStrides;
        AttentionStrides k = inputs.EffectiveKeyStrides, v = inputs.EffectiveValueStrides;
        AttentionStrides denseQ = dense.EffectiveQueryStrides;
        AttentionStrides denseK = dense.EffectiveKeyStrides;
        (int, int, int) queryRows = (2, 2, 4);
        (int, int, int) keyRows = inputs.KeysArePaged ? (6, 2, 16) : (2, 2, 4);
        using FarTensor query = new(dense.Query, denseQ, q, queryRows);
        using FarTensor key = new(dense.Key, denseK, k, keyRows);
        using FarTensor value = new(dense.Value, denseK, v, keyRows);
        using FarTensor output = new(expected.Output, denseQ, o, queryRows);
        using FarTensor gradient = new(Real(weights, dtype), denseQ, o, queryRows);
        using FarTensor queryGradient = new(expected.QueryGradient, denseQ, q, queryRows);
        using FarTensor keyGradient = new(expected.KeyGradient, denseK, k, keyRows);
        using FarTensor valueGradient = new(expected.ValueGradient, denseK, v, keyRows);
        Assert.True(query.View.Length > 1L << 31 || key.View.Length > 1L << 31);
        inputs = inputs with { Query = query.View, Key = key.View, Value = value.View };
        foreach (FarTensor written in new[]
        {
            output, queryGradient, keyGradient, valueGradient,
        })
        {
            written.Spoil();
        }

        TestBuffer logSumExp = Output(16, DType.Float32);
        backend.Run(new AttentionForward
        {
            Inputs = inputs, Output = output.View, LogSumExp = logSumExp,
        });
        Numbers.Same(expected.LogSumExp.Values, logSumExp.Values, "lse");
        output.RequireOriginal("output");
        backend.Run(new AttentionBackward
        {
            Inputs = inputs,
            Output = output.View,
            LogSumExp = logSumExp,
            OutputGradient = gradient.View,
            QueryGradient = queryGradient.View,
            KeyGradient = keyGradient.View,
            ValueGradient = valueGradient.View,
        });
        queryGradient.RequireOriginal("dQ");
        keyGradient.RequireOriginal("dK");
        valueGradient.RequireOriginal("dV");
    }

    private AttentionInputs Paged(AttentionInputs inputs, int[] table) => inputs with
    {
        Key = Real(Numbers.Normal(2, 6 * 16 * 2 * 16), inputs.Key.DType),
        Value = Real(Numbers.Normal(3, 6 * 16 * 2 * 16), inputs.Key.DType),
        KeyLengths = Ints(40, 33),
        BlockTable = Ints(table),
        PageSize = 16,
        PageCount = 6,
    };

    /// <summary>The rows of a dense tensor, laid far apart.</summary>
    private sealed unsafe class FarTensor : IDisposable
    {
        private const int Width = 16;

        private readonly SparseMemory memory;
        private readonly BufferView dense;
        private readonly List<(long Dense, long Far)> rows = [];
        private readonly int rowBytes;

        public FarTensor(
            BufferView dense, AttentionStrides strides, AttentionStrides far,
            (int Outer, int Heads, int Rows) extent)
        {
            this.dense = dense;
            int size = dense.DType.Size();
            rowBytes = Width * size;
            for (int b = 0; b < extent.Outer; b++)
            for (int h = 0; h < extent.Heads; h++)
            for (int i = 0; i < extent.Rows; i++)
            {
                rows.Add((size * At(strides, b, h, i), size * At(far, b, h, i)));
            }

            long bytes = rows.Max(r => r.Far) + rowBytes;
            memory = new(bytes);
            View = new(memory.Address, bytes / size, dense.DType);
            foreach ((long source, long target) in rows)
            {
                Row(dense, source).CopyTo(Row(View, target));
            }
        }

        public BufferView View { get; }

        /// <summary>Fills rows with NaN, as outputs of tests are.</summary>
        public void Spoil()
        {
            foreach ((_, long at) in rows)
            {
                if (dense.DType == DType.Float32)
                    MemoryMarshal.Cast<byte, float>(Row(View, at)).Fill(float.NaN);
                else
                    MemoryMarshal.Cast<byte, Half>(Row(View, at)).Fill(Half.NaN);
            }
        }

        /// <summary>Requires the dense tensor's bits in every row.</summary>
        public void RequireOriginal(string name)
        {
            foreach ((long source, long target) in rows)
            {
                Assert.True(Row(dense, source).SequenceEqual(Row(View, target)), name);
            }
        }

        public void Dispose() => memory.Dispose();

        private Span<byte> Row(BufferView view, long at) =>
            new((void*)(view.Address + (nint)at), rowBytes);

        private static long At(AttentionStrides strides, int outer, int head, int row) =>
            (outer * strides.Batch) + (head * strides.Head) + (row * strides.Sequence);
    }
}
