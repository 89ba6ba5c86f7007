using BenchmarkDotNet.Attributes;

namespace Transformer.Benchmarks.RmsNorm;

/// <summary>Residual add and root-mean-square normalisation.</summary>
[BenchmarkCategory("RmsNorm")]
public class RmsNormBenchmarks() : OpBenchmarks("RmsNorm");
