using BenchmarkDotNet.Attributes;
using Transformer.Ops;
using Transformer.Verification.Cases;
using Transformer.Verification.Unfused;

namespace Transformer.Benchmarks.GeluFeedForward;

/// <summary>The feed-forward network of 256 rows, four times as wide inside.</summary>
[BenchmarkCategory("GeluFeedForward")]
public class GeluFeedForwardBenchmarks
{
    private BenchmarkCall<GeluFeedForwardForward> forward = null!;
    private BenchmarkCall<GeluFeedForwardBackward> backward = null!;

    [Params(128, 512)]
    public int Width { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        GeluFeedForwardCases.Spec spec = new(256, Width, 4 * Width, Width, Activation.GeluTanh);
        forward = new(m => GeluFeedForwardCases.Forward(m, spec));
        backward = new(m => GeluFeedForwardCases.Backward(m, spec));
    }

    [Benchmark(Baseline = true, Description = "two products and passes, one thread")]
    public void Unfused() => forward.RunUnfused(UnfusedLinear.FeedForward);

    [Benchmark]
    public void Forward() => forward.Run();

    [Benchmark]
    public void Backward() => backward.Run();
}
