using BenchmarkDotNet.Attributes;

namespace Transformer.Benchmarks.NegativeLogLikelihood;

/// <summary>Losses of given log-probabilities.</summary>
[BenchmarkCategory("NegativeLogLikelihood")]
public class NegativeLogLikelihoodBenchmarks() : OpBenchmarks("NegativeLogLikelihood");
