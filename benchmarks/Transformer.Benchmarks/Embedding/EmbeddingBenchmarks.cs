using BenchmarkDotNet.Attributes;

namespace Transformer.Benchmarks.Embedding;

/// <summary>Tokens with positions.</summary>
[BenchmarkCategory("Embedding")]
public class EmbeddingBenchmarks() : OpBenchmarks("Embedding");
