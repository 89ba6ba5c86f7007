using BenchmarkDotNet.Attributes;

namespace Transformer.Benchmarks.Sampling;

/// <summary>Draws from logits of a vocabulary.</summary>
[BenchmarkCategory("Sampling")]
public class SamplingBenchmarks() : OpBenchmarks("Sampling");
