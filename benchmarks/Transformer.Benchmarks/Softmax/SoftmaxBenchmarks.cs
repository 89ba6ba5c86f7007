using BenchmarkDotNet.Attributes;

namespace Transformer.Benchmarks.Softmax;

/// <summary>Probabilities over a vocabulary and over an inner axis.</summary>
[BenchmarkCategory("Softmax")]
public class SoftmaxBenchmarks() : OpBenchmarks("Softmax");
