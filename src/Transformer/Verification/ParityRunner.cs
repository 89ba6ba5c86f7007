using Transformer.Backends;

namespace Transformer.Verification;

/// <summary>Which cases to run where.</summary>
/// <param name="Ops">Names of ops; null or empty: all.</param>
/// <param name="Backends">Names of backends; null or empty: all that are registered.</param>
/// <param name="Quick">Only the quick subset.</param>
public sealed record ParityOptions(
    IReadOnlyCollection<string>? Ops = null, IReadOnlyCollection<string>? Backends = null,
    bool Quick = false);

/// <summary>Runs every case on every backend of the registry against the reference.</summary>
public static class ParityRunner
{
    /// <summary>Runs the chosen cases, yielding each result as soon as it is there.</summary>
    /// <remarks>What a backend does not support is yielded with the reason, never as passed.
    /// </remarks>
    /// <exception cref="ArgumentException">An unknown op or backend; the message lists them.
    /// </exception>
    public static IEnumerable<ParityResult> Run(ParityOptions? options = null)
    {
        options ??= new();
        IReadOnlyList<Backend> backends = ChooseBackends(options.Backends);
        return ParityCases.Select(options.Ops, options.Quick).SelectMany(c => c.RunAll(backends));
    }

    /// <summary>The named backends, available or not; all where no name is given.</summary>
    /// <exception cref="ArgumentException">An unknown name.</exception>
    internal static IReadOnlyList<Backend> ChooseBackends(IReadOnlyCollection<string>? names)
    {
        IReadOnlyList<Backend> all = BackendRegistry.All;
        if (names is null || names.Count == 0) return all;
        foreach (string name in names)
        {
            if (all.All(b => b.Name != name))
            {
                throw new ArgumentException($"verify: backend '{name}' is unknown. Use one of: " +
                    $"{string.Join(", ", all.Select(b => b.Name))}.");
            }
        }

        return [.. all.Where(b => names.Contains(b.Name))];
    }
}
