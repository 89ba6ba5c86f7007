using BenchmarkDotNet.Attributes;

namespace Transformer.Benchmarks.RotaryEmbedding;

/// <summary>Rotation of queries by their positions.</summary>
[BenchmarkCategory("RotaryEmbedding")]
public class RotaryEmbeddingBenchmarks() : OpBenchmarks("RotaryEmbedding");
