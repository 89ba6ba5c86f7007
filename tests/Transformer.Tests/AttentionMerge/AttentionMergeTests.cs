using Transformer.Ops;
using Transformer.Tests.Support;
using Kernels = Transformer.Ops;

namespace Transformer.Tests.AttentionMerge;

public class AttentionMergeTests : KernelTest
{
    [Fact]
    public void Forward_MatchesHandComputed()
    {
        // Weights of the parts: e^0 and e^ln 3, of four in all.
        TestBuffer output = Real([0, 0]), logSumExp = Real([0]);
        Reference.Run(new AttentionMergeForward
        {
            Outputs = Real([1, 2, 5, 10]),
            LogSumExps = Real([0, Math.Log(3)]),
            Output = output,
            LogSumExp = logSumExp,
            Parts = 2,
            Rows = 1,
            Dimension = 2,
        });
        Assert.Equal([4.0, 8], output.Values.Select(v => Math.Round(v, 14)));
        Assert.Equal(Math.Log(4), logSumExp.Values[0], 14);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void PartsOfTheKeys_GiveTheWhole(int parts)
    {
        const int heads = 3, queries = 4, keys = 50, dimension = 24;
        float[] query = Floats(heads * queries * dimension, 1);
        float[] key = Floats(heads * keys * dimension, 2), value = Floats(key.Length, 3);
        float[] whole = new float[query.Length], wholeSum = new float[heads * queries];
        AttentionSizes sizes = new(1, heads, heads, queries, keys, dimension, dimension);
        Kernels.FusedAttention.Forward(query, key, value, sizes, default, whole, wholeSum);
        float[] partial = new float[parts * whole.Length];
        float[] sums = new float[parts * wholeSum.Length];
        for (int part = 0; part < parts; part++)
        {
            bool[] mask = new bool[keys];
            for (int j = part; j < keys; j += parts) mask[j] = true;
            Kernels.FusedAttention.Forward(query, key, value,
                new AttentionExtras { Mask = mask, MaskShape = new(keys) }, sizes, default,
                partial.AsSpan(part * whole.Length, whole.Length),
                sums.AsSpan(part * wholeSum.Length, wholeSum.Length));
        }

        float[] merged = new float[whole.Length], mergedSum = new float[wholeSum.Length];
        Kernels.AttentionMerge.Forward<float>(partial, sums, parts, dimension, merged, mergedSum);
        // Log-sum-exps below 4 are rounded by up to 1.2e-7: a part's, the whole's and the merged
        // one, with exponential and logarithm some 6e-7. That is also what a part's weight is off,
        // in proportion, and values are below 1/2.
        for (int i = 0; i < whole.Length; i++) Assert.Equal(whole[i], merged[i], 3e-7f);
        for (int i = 0; i < wholeSum.Length; i++) Assert.Equal(wholeSum[i], mergedSum[i], 6e-7f);
    }

    [Fact]
    public void Forward_RejectsWrongArguments()
    {
        AttentionMergeForward call = new()
        {
            Outputs = Real([1, 2, 3, 4]),
            LogSumExps = Real([0, 0]),
            Output = Real([0, 0]),
            Parts = 2,
            Rows = 1,
            Dimension = 2,
        };
        Rejects(call with { Parts = 0 },
            "AttentionMerge: 'Parts' is 0; expected 1 or more. Pass the tensors' size.");
        Rejects(call with { Parts = 3 },
            "AttentionMerge: 'outputs' has 4 elements; expected 6 for shape [3, 1, 2]. Pass a " +
            "buffer of that size.");
        Rejects(call with { LogSumExps = Real([0]) },
            "AttentionMerge: 'logSumExps' has 1 elements; expected 2 for shape [2, 1]. Pass a " +
            "buffer of that size.");
        Rejects(call with { Output = call.Outputs.Slice(1, 2) },
            "AttentionMerge: 'output' overlaps 'outputs'. Pass separate buffers or the very same " +
            "one.");
    }

    private static float[] Floats(int count, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() - 0.5))];
    }
}
