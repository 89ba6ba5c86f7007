using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Measurement;
using Transformer.Models.Tests.Models;
using Transformer.Models.Training;
using Transformer.Verification;

namespace Transformer.Models.Tests.Measurement;

/// <summary>The measurement of whole models works on tiny ones, and its sums add up.</summary>
public sealed class ModelBenchTests
{
    private static readonly MachineLimits Limits = new(100, 200, 20, 20, 2, 512);

    [Fact]
    public void TinyModels_GiveEveryRow()
    {
        ModelBenchRow[] rows =
            [.. ModelBench.Run(Limits, new() { Quick = true, Budget = TimeSpan.Zero })];
        Assert.Equal(["training step", "training step", "prompt", "greedy decode", "training step"],
            rows.Select(r => r.Work));
        Assert.All(rows, row =>
        {
            Assert.True(row.Milliseconds > 0);
            Assert.Equal(row.Gflops / 200, row.OfPeak, 1e-12);
            Assert.InRange(row.Overhead, 0, 1);

            // All that is no overhead is some kernel's.
            Assert.Equal(1 - row.Overhead, row.Kernels.Sum(k => k.Share), 1e-9);
        });
        Assert.NotNull(rows[3].OfRead);
    }

    [Fact]
    public void Cancelled_Stops()
    {
        using CancellationTokenSource cancelled = new();
        cancelled.Cancel();
        Assert.Throws<OperationCanceledException>(
            () => ModelBench.Run(Limits, new() { Quick = true }, cancelled.Token).ToArray());
    }

    /// <summary>The sum that the README's share of peak rests on, term by term for GPT-2.
    /// </summary>
    [Fact]
    public void Operations_AreThoseOfGpt2()
    {
        double tokens = 4 * 64, layer = 12.0 * 768 * 768, logits = 50257.0 * 768;
        double pairs = 4 * 64 * 65 / 2;
        double expected = 2 * ((tokens * ((12 * layer) + logits)) + (12 * pairs * 2 * 768));
        Assert.Equal(expected, GptConfig.Preset("gpt2").ForwardOperations(4, 64), 1e3);
    }

    [Fact]
    public void Profile_CountsEveryKernelOfARun()
    {
        using Gpt model = TestGpt.Make();
        CompiledGraph graph = model.TrainingGraph(1, 4);
        graph.Feed<int>("ids", [1, 2, 3, 4]);
        graph.Feed<int>("labels", [2, 3, Batch.IgnoredLabel, 5]);
        ExecutionProfile profile = new();
        graph.Profile = profile;
        for (int i = 0; i < 3; i++)
        {
            graph.Forward();
            graph.Backward();
        }

        Assert.Equal(3 * graph.Nodes.Count, profile.Rows.Sum(r => r.Calls));
        foreach (ProfileRow row in profile.Rows)
        {
            Assert.Equal(3 * graph.Nodes.Count(
                n => n.Kind == row.Kind && n.Direction == row.Direction), row.Calls);
        }

        Assert.Equal(profile.Seconds, profile.Rows.Sum(r => r.Seconds), 1e-9);
        graph.Profile = null;
        graph.Forward();
        Assert.Equal(3 * graph.Nodes.Count, profile.Rows.Sum(r => r.Calls));
        Assert.Contains(profile.Rows, r => r.Direction == OpDirection.Backward);
    }
}
