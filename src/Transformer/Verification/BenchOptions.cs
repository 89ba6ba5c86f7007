using Transformer.Backends;

namespace Transformer.Verification;

/// <summary>What to time.</summary>
/// <param name="Ops">Names of ops; null or empty: all, or with <see cref="Candidates"/> those that
/// they have kernels for.</param>
/// <param name="Backends">Names of backends; null or empty: all that are available, of a
/// priority of 0 or more, but the reference, which every row is compared with, or the
/// <see cref="Candidates"/> and beside them the best that is registered.</param>
/// <param name="Size">Sizes of the calls; null: <see cref="BenchSize.Base"/>.</param>
/// <param name="Budget">Time for each figure; null: 0.2 seconds.</param>
public sealed record BenchOptions(
    IReadOnlyCollection<string>? Ops = null, IReadOnlyCollection<string>? Backends = null,
    BenchSize? Size = null, TimeSpan? Budget = null)
{
    /// <summary>Backends outside the registry that are to be timed.</summary>
    public IReadOnlyList<Backend> Candidates { get; init; } = [];

    /// <summary>Calls beside those of the library's ops; null: none.</summary>
    public Func<BenchSize, IEnumerable<BenchCase>>? Cases { get; init; }

    /// <summary>Bytes, beyond every cache, that calls whose limit is memory touch before one meets
    /// the same operands again: they take turns with copies of them. 0: every call gets the same
    /// operands, wherever they lie.</summary>
    public long WorkingSet { get; init; } = 256L << 20;
}

/// <summary>The sizes of a model's layer, from which every op's calls follow.</summary>
/// <param name="Name">As <c>--size</c> takes it.</param>
/// <param name="Batch">Sequences.</param>
/// <param name="Length">Tokens of a sequence.</param>
/// <param name="Width">Model width.</param>
/// <param name="Heads">Attention heads.</param>
/// <param name="Hidden">Width between the feed-forward products.</param>
/// <param name="Vocabulary">Classes of the loss.</param>
public sealed record BenchSize(
    string Name, int Batch, int Length, int Width, int Heads, int Hidden, int Vocabulary)
{
    /// <summary>Finishes in seconds anywhere; the reference is timed at it, too.</summary>
    public static BenchSize Small { get; } = new("small", 2, 64, 128, 4, 512, 1000);

    /// <summary>The base model of "Attention Is All You Need" on 512 tokens.</summary>
    public static BenchSize Base { get; } = new("base", 1, 512, 512, 8, 2048, 8000);

    /// <summary>GPT-2 small on 2 × 1024 tokens.</summary>
    public static BenchSize Large { get; } = new("large", 2, 1024, 768, 12, 3072, 32000);

    /// <summary>All presets.</summary>
    public static IReadOnlyList<BenchSize> All { get; } = [Small, Base, Large];

    /// <summary>Batch · Length: rows of the row-wise ops.</summary>
    public int Rows => Batch * Length;

    /// <summary>Finds a preset by name.</summary>
    /// <exception cref="ArgumentException">No such preset; the message lists them.</exception>
    public static BenchSize Find(string name) => All.FirstOrDefault(size => size.Name == name)
        ?? throw new ArgumentException($"bench: size '{name}' is unknown. Use one of: " +
            $"{string.Join(", ", All.Select(size => size.Name))}.");
}

/// <summary>One timed call.</summary>
/// <param name="Op">The op's name.</param>
/// <param name="Backend">The backend's name.</param>
/// <param name="Shape">Sizes and options.</param>
/// <param name="DType">Element type.</param>
/// <param name="Direction">Forward or backward.</param>
/// <param name="Milliseconds">Median time of a call.</param>
/// <param name="Gflops">Needed operations over time, 10⁹ a second.</param>
/// <param name="GBs">Needed bytes over time, 10⁹ a second.</param>
/// <param name="OfLimit">The roofline's time over the measured time: 1 is the best the machine
/// can do from main memory; more is possible where operands stay in cache. Null on devices with
/// memory of their own.</param>
/// <param name="OverUnfused">Times faster than separate plain passes on one thread; null where
/// there is no such version.</param>
/// <param name="OverReference">Times faster than the reference; null where not timed.</param>
/// <param name="ReferenceEstimated">The reference was timed at <see cref="BenchSize.Small"/> and
/// scaled by the work.</param>
/// <param name="Unsupported">Why there are no figures; null where there are.</param>
public sealed record BenchRow(
    string Op, string Backend, string Shape, Tensors.DType DType,
    Backends.OpDirection Direction, double Milliseconds, double Gflops, double GBs,
    double? OfLimit, double? OverUnfused, double? OverReference, bool ReferenceEstimated,
    string? Unsupported)
{
    /// <summary>Copies of the operands that calls took in turns, so that no cache held them; 1:
    /// every call had the same operands.</summary>
    public int Copies { get; init; } = 1;

    /// <summary>Bytes that a call allocated on the managed heap; null where not measured.</summary>
    public long? AllocatedBytes { get; init; }

    /// <summary>Whether there is no time because the kernel threw.</summary>
    public bool Threw =>
        Unsupported?.StartsWith(BenchCase.ThrewPrefix, StringComparison.Ordinal) == true;
}
