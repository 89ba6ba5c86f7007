using BenchmarkDotNet.Attributes;
using Transformer.Ops;
using Transformer.Verification.Cases;
using Transformer.Verification.Unfused;

namespace Transformer.Benchmarks.SoftmaxCrossEntropy;

/// <summary>Mean loss of 256 rows over a vocabulary.</summary>
[BenchmarkCategory("SoftmaxCrossEntropy")]
public class SoftmaxCrossEntropyBenchmarks
{
    private BenchmarkCall<SoftmaxCrossEntropyForward> forward = null!;
    private BenchmarkCall<SoftmaxCrossEntropyBackward> backward = null!;

    [Params(1000, 10000)]
    public int Classes { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        SoftmaxCrossEntropyCases.Spec spec = new(256, Classes);
        forward = new(m => SoftmaxCrossEntropyCases.Forward(m, spec));
        backward = new(m => SoftmaxCrossEntropyCases.Backward(m, spec));
    }

    [Benchmark(Baseline = true, Description = "separate passes, one thread")]
    public void Unfused() => forward.RunUnfused(UnfusedRows.CrossEntropy);

    [Benchmark]
    public void Forward() => forward.Run();

    [Benchmark]
    public void Backward() => backward.Run();
}
