using BenchmarkDotNet.Attributes;
using Transformer.Ops;
using Transformer.Verification.Cases;
using Transformer.Verification.Unfused;

namespace Transformer.Benchmarks.FusedAttention;

/// <summary>Causal self-attention, 8 heads of 64.</summary>
[BenchmarkCategory("FusedAttention")]
public class FusedAttentionBenchmarks
{
    private BenchmarkCall<AttentionForward> forward = null!;
    private BenchmarkCall<AttentionBackward> backward = null!;

    [Params(128, 1024)]
    public int Length { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        FusedAttentionSpec spec = new(new(1, 8, 8, Length, Length, 64, 64))
        {
            Options = new() { Causal = CausalAlignment.TopLeft },
            PlantsHidden = false,
        };
        forward = new(m => FusedAttentionOperands.Forward(m, spec));
        backward = new(m => FusedAttentionOperands.Backward(m, spec));
    }

    [Benchmark(Baseline = true, Description = "three passes, one thread")]
    public void Unfused() => forward.RunUnfused(UnfusedAttention.Forward);

    [Benchmark]
    public void Forward() => forward.Run();

    [Benchmark]
    public void Backward() => backward.Run();
}
