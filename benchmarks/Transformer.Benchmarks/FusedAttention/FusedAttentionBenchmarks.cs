using BenchmarkDotNet.Attributes;

namespace Transformer.Benchmarks.FusedAttention;

/// <summary>Self-attention, full and causal, and one query against all keys.</summary>
[BenchmarkCategory("FusedAttention")]
public class FusedAttentionBenchmarks() : OpBenchmarks("FusedAttention");
