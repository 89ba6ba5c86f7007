using BenchmarkDotNet.Attributes;
using Transformer.Ops;
using Transformer.Verification.Cases;
using Transformer.Verification.Unfused;

namespace Transformer.Benchmarks.Linear;

/// <summary>A linear layer with bias and GELU on 256 rows, to four times the width.</summary>
[BenchmarkCategory("Linear")]
public class LinearBenchmarks
{
    private BenchmarkCall<LinearForward> forward = null!;
    private BenchmarkCall<LinearBackward> backward = null!;

    [Params(128, 512)]
    public int Width { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        LinearCases.Spec spec = new(256, Width, 4 * Width, Activation.GeluTanh);
        forward = new(m => LinearCases.Forward(m, spec));
        backward = new(m => LinearCases.Backward(m, spec));
    }

    [Benchmark(Baseline = true, Description = "dot products, then passes; one thread")]
    public void Unfused() => forward.RunUnfused(UnfusedLinear.Forward);

    [Benchmark]
    public void Forward() => forward.Run();

    [Benchmark]
    public void Backward() => backward.Run();
}
