using BenchmarkDotNet.Attributes;
using Transformer.Ops;
using Transformer.Verification.Cases;
using Transformer.Verification.Unfused;

namespace Transformer.Benchmarks.LayerNorm;

/// <summary>Residual add and layer normalisation of 1024 rows.</summary>
[BenchmarkCategory("LayerNorm")]
public class LayerNormBenchmarks
{
    private BenchmarkCall<LayerNormForward> forward = null!;
    private BenchmarkCall<LayerNormBackward> backward = null!;

    [Params(128, 768)]
    public int Width { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        LayerNormCases.Spec spec = new(1024, Width) { Residual = true };
        forward = new(m => LayerNormCases.Forward(m, spec));
        backward = new(m => LayerNormCases.Backward(m, spec));
    }

    [Benchmark(Baseline = true, Description = "separate passes, one thread")]
    public void Unfused() => forward.RunUnfused(UnfusedRows.LayerNorm);

    [Benchmark]
    public void Forward() => forward.Run();

    [Benchmark]
    public void Backward() => backward.Run();
}
