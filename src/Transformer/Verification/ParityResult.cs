using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Verification;

/// <summary>One case run on one backend.</summary>
/// <param name="Op">The op's name.</param>
/// <param name="Backend">The backend's name.</param>
/// <param name="Case">The case: shape and options.</param>
/// <param name="DType">Element type of its tensors.</param>
/// <param name="Direction">Forward or backward.</param>
/// <param name="MaxAbs">Largest absolute error over all outputs; NaN where not comparable.</param>
/// <param name="RelL2">Relative L2 error of the worst output; NaN where not comparable.</param>
/// <param name="Tolerance">Its bound.</param>
/// <param name="Passed">Ran and agreed. False where skipped.</param>
/// <param name="Detail">The worst element with both values, or what failed.</param>
/// <param name="Skipped">Why the backend cannot run the case; null where it ran.</param>
public sealed record ParityResult(
    string Op, string Backend, string Case, DType DType, OpDirection Direction, double MaxAbs,
    double RelL2, double Tolerance, bool Passed, string Detail, string? Skipped)
{
    /// <summary>Options of the op that the case uses, as the README's table names them.</summary>
    public IReadOnlyList<string> Features { get; init; } = [];

    /// <summary>Ran, and did not agree.</summary>
    public bool Failed => !Passed && Skipped is null;

    /// <summary>One line for people.</summary>
    public override string ToString() => FormattableString.Invariant(
        $"{Op} {Direction} on '{Backend}', case '{Case}' ({DType}): ") +
        (Skipped is not null ? $"not supported: {Skipped}"
            : (Passed ? "passed: " : "FAILED: ") + Detail);
}
