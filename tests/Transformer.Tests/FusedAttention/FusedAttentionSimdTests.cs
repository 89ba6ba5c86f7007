using System.Diagnostics;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tests.Verification;

namespace Transformer.Tests.FusedAttention;

/// <summary>What parity cases do not show: threads, allocation, cost, numbers that must not leak.
/// </summary>
[Collection(ThreadCountCollection.Name)]
public sealed class FusedAttentionSimdTests
{
    private static readonly AttentionOptions Causal =
        new() { Causal = CausalAlignment.BottomRight };

    // Sizes at which work is split: keys over ranges, queries over units, several tiles of each.
    public static TheoryData<int, int, int, int, int, bool> SplitSizes => new()
    {
        { 1, 4, 2, 1, 2100, false },
        { 2, 2, 1, 7, 1500, true },
        { 1, 2, 2, 301, 403, false },
        { 1, 4, 2, 259, 259, true },
        { 3, 2, 2, 6, 1100, true },
    };

    [Theory]
    [MemberData(nameof(SplitSizes))]
    public void SplitWork_MatchesReference_AndGivesTheSameBitsOnAnyThreads(
        int batch, int heads, int keyHeads, int queries, int keys, bool causal)
    {
        AttentionSizes sizes = new(batch, heads, keyHeads, queries, keys, 24, 40);
        using AttentionProblemBuffers buffers = new(sizes, causal ? Causal : default);
        buffers.AddBias(1, heads, 1, keys);
        float[] one = RunOn(1, buffers);
        float[] three = RunOn(3, buffers);
        buffers.BiasGradient!.AsSpan<float>().Clear();
        buffers.Run(BackendRegistry.Reference, backward: true);
        float[] expected = buffers.Results(backward: true);

        Assert.Equal(one, three);
        // Sums of up to 2100 terms feed sums of as many; each result is below 10.
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], one[i], 1e-4f);
    }

    [Theory]
    [InlineData(3, 9)]
    [InlineData(70, 70)]
    [InlineData(2, 1300)]
    public void NaNInKeyHiddenFromSomeQueries_ReachesOnlyThoseThatSeeIt(int queries, int keys)
    {
        // The last key is seen by the last query alone.
        AttentionSizes sizes = new(1, 2, 2, queries, keys, 20, 36);
        using AttentionProblemBuffers clean = new(sizes, Causal);
        using AttentionProblemBuffers planted = new(sizes, Causal);
        for (int head = 0; head < 2; head++)
        {
            int key = (head * keys) + keys - 1;
            planted.Key.AsSpan<float>().Slice(key * 20, 20).Fill(float.NaN);
            planted.Value.AsSpan<float>().Slice(key * 36, 36).Fill(float.PositiveInfinity);
        }

        clean.Run(BackendRegistry.Cpu, backward: true);
        planted.Run(BackendRegistry.Cpu, backward: true);

        for (int row = 0; row < 2 * queries; row++)
        {
            bool sees = row % queries == queries - 1;
            float[] output = [.. planted.Output.AsSpan<float>().Slice(row * 36, 36)];
            float[] gradient = [.. planted.QueryGradient.AsSpan<float>().Slice(row * 20, 20)];
            if (sees)
            {
                Assert.All(output, x => Assert.True(float.IsNaN(x)));
                Assert.All(gradient, x => Assert.True(float.IsNaN(x)));
                continue;
            }

            // Skipped products are zeros elsewhere: the same sums.
            Assert.Equal([.. clean.Output.AsSpan<float>().Slice(row * 36, 36)], output);
            Assert.Equal([.. clean.QueryGradient.AsSpan<float>().Slice(row * 20, 20)], gradient);
        }
    }

    [Fact]
    public void NaNUnderMask_ReachesOnlyTheQueryThatSeesIt()
    {
        const int length = 50;
        bool[] mask = [.. Enumerable.Range(0, length * length)
            .Select(i => i % length != 7 || i / length == 20)];
        AttentionSizes sizes = new(1, 1, 1, length, length, 16, 16);
        using AttentionProblemBuffers buffers = new(sizes);
        buffers.AddMask(mask, length, length);
        buffers.Key.AsSpan<float>().Slice(7 * 16, 16).Fill(float.NaN);
        buffers.Value.AsSpan<float>().Slice(7 * 16, 16).Fill(float.NaN);

        buffers.Run(BackendRegistry.Cpu, backward: true);

        for (int row = 0; row < length; row++)
        {
            Assert.Equal(row == 20, float.IsNaN(buffers.Output.AsSpan<float>()[row * 16]));
            Assert.Equal(row == 20, float.IsNaN(buffers.QueryGradient.AsSpan<float>()[row * 16]));
        }
    }

    [Fact]
    public void QueriesThatSeeNothing_GiveZeros()
    {
        // Top-left window of one key to the left of a diagonal far beyond the keys.
        AttentionSizes sizes = new(1, 2, 1, 90, 10, 16, 16);
        using AttentionProblemBuffers buffers =
            new(sizes, new() { Causal = CausalAlignment.TopLeft, Window = new(1, 0) });
        buffers.Query.AsSpan<float>()[(50 * 16)..(60 * 16)].Fill(float.NaN);
        buffers.OutputGradient.AsSpan<float>()[(50 * 16)..(60 * 16)].Fill(float.NaN);

        buffers.Run(BackendRegistry.Cpu, backward: true);

        for (int row = 0; row < 180; row++)
        {
            bool blind = row % 90 > 10;
            Assert.Equal(blind, float.IsNegativeInfinity(buffers.LogSumExp.AsSpan<float>()[row]));
            if (!blind) continue;
            Assert.All(buffers.Output.AsSpan<float>().Slice(row * 16, 16).ToArray(),
                x => Assert.Equal(0, x));
            Assert.All(buffers.QueryGradient.AsSpan<float>().Slice(row * 16, 16).ToArray(),
                x => Assert.Equal(0, x));
        }

        Assert.All(buffers.Results(backward: true)[(180 * 17)..],
            x => Assert.True(float.IsFinite(x)));
    }

    [Theory]
    [InlineData(12, 12)]
    [InlineData(200, 200)]
    [InlineData(1, 3000)]
    public void SteadyState_AllocatesNothing(int queries, int keys)
    {
        AttentionSizes sizes = new(2, 4, 2, queries, keys, 32, 32);
        using AttentionProblemBuffers buffers = new(sizes, Causal);
        buffers.AddBias(queries, keys);
        AttentionForward forward = buffers.ForwardCall;
        AttentionBackward backward = buffers.BackwardCall;
        int threads = CpuParallel.ThreadCount;
        CpuParallel.ThreadCount = 1; // this thread does it all, and its allocations are counted
        try
        {
            Assert.Equal(0, ManagedAllocations.Least(Run, warmUp: 2, runs: 5));
        }
        finally
        {
            CpuParallel.ThreadCount = threads;
        }

        void Run()
        {
            BackendRegistry.Cpu.Run(forward);
            BackendRegistry.Cpu.Run(backward);
        }
    }

    // The shortest times of the three, taken in turns, approach what each costs on a quiet machine;
    // a busy one needs more rounds, and no number of rounds helps a kernel that computes hidden
    // tiles.
    [Fact]
    public void HiddenTiles_CostNothing()
    {
        const int mostRounds = 60;
        AttentionSizes sizes = new(1, 1, 1, 1536, 1536, 64, 64);
        AttentionOptions near = new()
        {
            Causal = CausalAlignment.BottomRight, Window = new(63, 0),
        };
        using AttentionProblemBuffers all = new(sizes, default);
        using AttentionProblemBuffers half = new(sizes, Causal);
        using AttentionProblemBuffers few = new(sizes, near);
        double full = double.MaxValue, causal = double.MaxValue, window = double.MaxValue;
        for (int round = 0; round < mostRounds; round++)
        {
            full = Math.Min(full, Seconds(all));
            causal = Math.Min(causal, Seconds(half));
            window = Math.Min(window, Seconds(few));
            // Needed work is 0.50 and 0.04 of full; the rest is packing and the edges.
            if (round >= 4 && causal < 0.8 * full && window < 0.25 * full) return;
        }

        Assert.Fail($"full {full} s, causal {causal} s, window {window} s");
    }

    // On this thread alone: whether others find a free core does not matter.
    private static double Seconds(AttentionProblemBuffers buffers)
    {
        CpuParallel.Recorder = new();
        long start = Stopwatch.GetTimestamp();
        buffers.Run(BackendRegistry.Cpu, backward: true);
        CpuParallel.Recorder = null;
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static float[] RunOn(int threads, AttentionProblemBuffers buffers)
    {
        int before = CpuParallel.ThreadCount;
        CpuParallel.ThreadCount = threads;
        try
        {
            buffers.BiasGradient?.AsSpan<float>().Clear();
            buffers.Run(BackendRegistry.Cpu, backward: true);
            return buffers.Results(backward: true);
        }
        finally
        {
            CpuParallel.ThreadCount = before;
        }
    }
}
