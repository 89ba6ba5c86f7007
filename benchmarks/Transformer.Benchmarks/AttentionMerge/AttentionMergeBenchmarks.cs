using BenchmarkDotNet.Attributes;

namespace Transformer.Benchmarks.AttentionMerge;

/// <summary>Partial results of attention over eight parts of the keys.</summary>
[BenchmarkCategory("AttentionMerge")]
public class AttentionMergeBenchmarks() : OpBenchmarks("AttentionMerge");
