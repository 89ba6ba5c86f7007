using Transformer.Backends;

namespace Transformer.Models.Measurement;

/// <summary>What <see cref="ModelBench"/> measures.</summary>
public sealed record ModelBenchOptions
{
    /// <summary>What the models run on; null: the best available.</summary>
    public Backend? Backend { get; init; }

    /// <summary>Tiny models instead of the real ones: whether it works, not how fast.</summary>
    public bool Quick { get; init; }

    /// <summary>Time of each measurement, half of it with a profile; at least three repetitions
    /// are made.</summary>
    public TimeSpan Budget { get; init; } = TimeSpan.FromSeconds(4);
}

/// <summary>One measurement of a whole model.</summary>
public sealed record ModelBenchRow
{
    /// <summary>The model: gpt2, nanogpt-cpu, seq2seq-base.</summary>
    public required string Model { get; init; }

    /// <summary>training step, prompt or greedy decode.</summary>
    public required string Work { get; init; }

    /// <summary>Sizes.</summary>
    public required string Shape { get; init; }

    /// <summary>Median time of one step, prompt or token.</summary>
    public required double Milliseconds { get; init; }

    /// <summary>Tokens learned from, read or written in a second.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>10⁹ operations a second, counting what products and attention need.</summary>
    public required double Gflops { get; init; }

    /// <summary>Share of the machine's peak of multiply-adds.</summary>
    public required double OfPeak { get; init; }

    /// <summary>10⁹ bytes of weights read a second, each weight counted once; null where weights
    /// are not what the time goes to.</summary>
    public double? WeightGBs { get; init; }

    /// <summary>Share of the machine's read bandwidth that <see cref="WeightGBs"/> is.</summary>
    public double? OfRead { get; init; }

    /// <summary>Share of the time outside kernels.</summary>
    public required double Overhead { get; init; }

    /// <summary>Where the time inside kernels goes, by falling share of all of the time.</summary>
    public required IReadOnlyList<KernelShare> Kernels { get; init; }
}

/// <summary>One kind of kernel in a measurement.</summary>
/// <param name="Kind">The op, what is fused into it, and its direction.</param>
/// <param name="Share">Of the time of a repetition.</param>
/// <param name="Milliseconds">In a repetition.</param>
public readonly record struct KernelShare(string Kind, double Share, double Milliseconds);
