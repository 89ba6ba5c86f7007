using BenchmarkDotNet.Attributes;

namespace Transformer.Benchmarks.SoftmaxCrossEntropy;

/// <summary>The mean loss over a vocabulary.</summary>
[BenchmarkCategory("SoftmaxCrossEntropy")]
public class SoftmaxCrossEntropyBenchmarks() : OpBenchmarks("SoftmaxCrossEntropy");
