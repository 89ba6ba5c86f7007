using BenchmarkDotNet.Attributes;

namespace Transformer.Benchmarks.Linear;

/// <summary>Linear layers of many rows and of one.</summary>
[BenchmarkCategory("Linear")]
public class LinearBenchmarks() : OpBenchmarks("Linear");
