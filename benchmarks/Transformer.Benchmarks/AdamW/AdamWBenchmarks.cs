using BenchmarkDotNet.Attributes;

namespace Transformer.Benchmarks.AdamW;

/// <summary>An optimizer step.</summary>
[BenchmarkCategory("AdamW")]
public class AdamWBenchmarks() : OpBenchmarks("AdamW");
