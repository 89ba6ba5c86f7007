using BenchmarkDotNet.Attributes;

namespace Transformer.Benchmarks.Add;

/// <summary>A residual sum.</summary>
[BenchmarkCategory("Add")]
public class AddBenchmarks() : OpBenchmarks("Add");
