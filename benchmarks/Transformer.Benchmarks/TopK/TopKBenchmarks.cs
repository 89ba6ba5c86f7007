using BenchmarkDotNet.Attributes;

namespace Transformer.Benchmarks.TopK;

/// <summary>The largest logits of a vocabulary.</summary>
[BenchmarkCategory("TopK")]
public class TopKBenchmarks() : OpBenchmarks("TopK");
