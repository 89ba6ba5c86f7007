using BenchmarkDotNet.Attributes;

namespace Transformer.Benchmarks.LogSoftmax;

/// <summary>Logarithms of probabilities over a vocabulary.</summary>
[BenchmarkCategory("LogSoftmax")]
public class LogSoftmaxBenchmarks() : OpBenchmarks("LogSoftmax");
