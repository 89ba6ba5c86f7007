using Transformer.Backends;
using Transformer.Ops;
using Transformer.Samples;
using Transformer.Verification;

namespace Transformer.Kernels.Ilgpu.Tests;

/// <summary>The host's part of a call allocates nothing on the managed heap.</summary>
public sealed class AllocationTests
{
    private static readonly IlgpuBackend Backend =
        new("idle", -1, new IdleQueue { Notes = false });

    [Fact]
    public void Calls_AllocateNothing()
    {
        HashSet<(string, OpDirection)> missing =
            [.. Backend.Kernels.Select(k => (k.Op, k.Direction))];
        BenchSize tiny = new("tiny", 1, 64, 16, 2, 32, 50);
        foreach (BenchCase one in BenchCases.Select(tiny))
        {
            using BoundCase? bound = one.Bind(Backend, 0, out string? reason);
            if (bound is null) continue;
            missing.Remove((one.Op, one.Direction));
            Assert.True(ManagedAllocations.Least(bound.Run) == 0,
                $"{one.Op} {one.Direction} {one.Shape} allocates");
        }

        Assert.Empty(missing);
    }

    [Fact]
    public void ScoreModifiersAndBuckets_AllocateNothing()
    {
        AttentionSizes sizes = new(1, 2, 2, 4, 4, 8, 8);
        float[] query = new float[64], output = new float[64], sums = new float[8];
        float[] bias = new float[32 * 2];
        float[] queryGradient = new float[64], keyGradient = new float[64];
        float[] valueGradient = new float[64];
        AttentionOptions options = new() { RelativeBuckets = new(32, 128, true) };
        Assert.Equal(0, ManagedAllocations.Least(() =>
        {
            AttentionExtras extras = new() { RelativeBias = bias };
            Ops.FusedAttention.Forward<float, SoftCapModifier>(query, query, query, extras, sizes,
                options, new(30), output, sums, Backend);
            Ops.FusedAttention.Backward<float, SoftCapModifier>(query, query, query, output, sums,
                output, extras, sizes, options, new(30), queryGradient, keyGradient,
                valueGradient, default, Backend);
        }));
    }
}
