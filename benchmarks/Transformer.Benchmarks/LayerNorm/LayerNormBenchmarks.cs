using BenchmarkDotNet.Attributes;

namespace Transformer.Benchmarks.LayerNorm;

/// <summary>Residual add and layer normalisation.</summary>
[BenchmarkCategory("LayerNorm")]
public class LayerNormBenchmarks() : OpBenchmarks("LayerNorm");
