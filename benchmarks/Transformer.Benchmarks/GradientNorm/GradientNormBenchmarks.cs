using BenchmarkDotNet.Attributes;

namespace Transformer.Benchmarks.GradientNorm;

/// <summary>The norm of a gradient.</summary>
[BenchmarkCategory("GradientNorm")]
public class GradientNormBenchmarks() : OpBenchmarks("GradientNorm");
