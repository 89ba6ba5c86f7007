using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Support;

namespace Transformer.Tests.FusedAttention;

/// <summary>16-bit tensors lose no more than an unfused implementation on them does.</summary>
public sealed class FusedAttentionSixteenBitTests : KernelTest
{
    public static TheoryData<DType, AttentionSizes, bool> Cases
    {
        get
        {
            TheoryData<DType, AttentionSizes, bool> cases = [];
            foreach (DType dtype in (DType[])[DType.Float16, DType.BFloat16])
            {
                cases.Add(dtype, new(2, 2, 2, 65, 65, 64, 64), false);
                cases.Add(dtype, new(1, 2, 2, 97, 97, 128, 128), true);
                cases.Add(dtype, new(1, 6, 2, 31, 130, 64, 64), false);
                cases.Add(dtype, new(1, 4, 1, 67, 67, 128, 64), true);
            }

            return cases;
        }
    }

    /// <summary>The fused kernels round results alone, so they could be held to less; what is
    /// promised is at most twice the unfused error forward and three times backward, where δ is
    /// computed from the rounded output.</summary>
    [Theory]
    [MemberData(nameof(Cases))]
    public void Errors_StayWithinThoseOfSeparatePasses(
        DType dtype, AttentionSizes sizes, bool causal)
    {
        AttentionOptions options =
            causal ? new() { Causal = CausalAlignment.TopLeft } : default;
        AttentionInputs inputs =
            AttentionProblem.Random(this, sizes, 11, dtype) with { Options = options };
        long rows = (long)sizes.Batch * sizes.QueryHeads * sizes.QueryLength;
        double[] gradient =
            Real(Numbers.Normal(14, rows * sizes.ValueDimension), dtype).Values;
        double[] query = Values(inputs.Query), key = Values(inputs.Key);
        double[] value = Values(inputs.Value);

        AttentionProblem fused = new(this, inputs, dtype, BackendRegistry.Cpu);
        fused.Forward();
        fused.Backward(gradient);
        AttentionProblem exact = new(this, inputs with
        {
            Query = Real(query), Key = Real(key), Value = Real(value),
        });
        exact.Forward();
        exact.Backward(gradient);
        UnfusedSixteenBitAttention unfused = new(sizes, causal, dtype, query, key, value);
        unfused.Forward();
        unfused.Backward(gradient);

        AtMost(2, "output", exact.Output, unfused.Output, fused.Output);
        AtMost(3, "dQ", exact.QueryGradient, unfused.QueryGradient, fused.QueryGradient);
        AtMost(3, "dK", exact.KeyGradient, unfused.KeyGradient, fused.KeyGradient);
        AtMost(3, "dV", exact.ValueGradient, unfused.ValueGradient, fused.ValueGradient);
    }

    private static void AtMost(
        double factor, string name, TestBuffer exact, double[] unfused, TestBuffer fused)
    {
        double expected = Error(exact.Values, unfused), actual = Error(exact.Values, fused.Values);
        // An implementation of its own that is wrong would pass anything.
        double largest = exact.Values.Max(Math.Abs);
        Assert.InRange(expected, largest * 1e-5, largest * 0.05);
        Assert.True(actual <= factor * expected, FormattableString.Invariant(
            $"{name}: error {actual:E2}; unfused {expected:E2}, allowed {factor} times that"));
    }

    private static double Error(double[] expected, double[] actual) =>
        expected.Zip(actual).Max(pair => Math.Abs(pair.First - pair.Second));

    private static double[] Values(BufferView buffer)
    {
        double[] values = new double[buffer.Length];
        for (int i = 0; i < values.Length; i++) values[i] = ReferenceBuffers.Get(buffer, i);
        return values;
    }
}
