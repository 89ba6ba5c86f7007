using BenchmarkDotNet.Attributes;

namespace Transformer.Benchmarks.GeluFeedForward;

/// <summary>The feed-forward network, four times as wide inside.</summary>
[BenchmarkCategory("GeluFeedForward")]
public class GeluFeedForwardBenchmarks() : OpBenchmarks("GeluFeedForward");
