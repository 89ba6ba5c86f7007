using Transformer.Backends;

namespace Transformer.Verification;

/// <summary>Which cases to run where.</summary>
/// <param name="Ops">Names of ops; null or empty: all, or with <see cref="Candidates"/> those that
/// they have kernels for.</param>
/// <param name="Backends">Names of backends; null or empty: all that are registered and
/// available, of a priority of 0 or more, or the <see cref="Candidates"/> alone.</param>
/// <param name="Quick">Only the quick subset.</param>
/// <param name="Case">Only the cases of this name, or, where none has it, those whose names
/// contain it in any case of letters; null: all.</param>
public sealed record ParityOptions(
    IReadOnlyCollection<string>? Ops = null, IReadOnlyCollection<string>? Backends = null,
    bool Quick = false, string? Case = null)
{
    /// <summary>Backends outside the registry that are to be checked.</summary>
    public IReadOnlyList<Backend> Candidates { get; init; } = [];

    /// <summary>Cases beside those of the library's ops.</summary>
    public IReadOnlyList<ParityCase> Cases { get; init; } = [];
}
