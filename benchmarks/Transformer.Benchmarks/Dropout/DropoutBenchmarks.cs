using BenchmarkDotNet.Attributes;

namespace Transformer.Benchmarks.Dropout;

/// <summary>Dropout of a tenth.</summary>
[BenchmarkCategory("Dropout")]
public class DropoutBenchmarks() : OpBenchmarks("Dropout");
