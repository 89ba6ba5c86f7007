using BenchmarkDotNet.Attributes;

namespace Transformer.Benchmarks.KvCacheAppend;

/// <summary>One new row for each sequence, copied and rotated.</summary>
[BenchmarkCategory("KvCacheAppend")]
public class KvCacheAppendBenchmarks() : OpBenchmarks("KvCacheAppend");
