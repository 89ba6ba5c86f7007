using BenchmarkDotNet.Attributes;

namespace Transformer.Benchmarks.Lstm;

/// <summary>Long short-term memory over one sequence.</summary>
[BenchmarkCategory("Lstm")]
public class LstmBenchmarks() : OpBenchmarks("Lstm");
