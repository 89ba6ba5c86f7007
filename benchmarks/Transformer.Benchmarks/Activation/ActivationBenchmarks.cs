using BenchmarkDotNet.Attributes;

namespace Transformer.Benchmarks.Activation;

/// <summary>GELU, tanh form.</summary>
[BenchmarkCategory("Activation")]
public class ActivationBenchmarks() : OpBenchmarks("Activation");
