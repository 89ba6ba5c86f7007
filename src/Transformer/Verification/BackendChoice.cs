using Transformer.Backends;

namespace Transformer.Verification;

/// <summary>The backends of one run and the ops that concern them.</summary>
internal sealed class BackendChoice
{
    private readonly Backend[] chosen;

    /// <summary>Chooses by name; without names the default, or the candidates and their company.
    /// </summary>
    /// <param name="command">For messages.</param>
    /// <param name="names">Names of backends, or none.</param>
    /// <param name="candidates">Backends outside the registry.</param>
    /// <param name="company">Run beside unnamed candidates.</param>
    /// <param name="otherwise">Run where there are neither names nor candidates.</param>
    /// <exception cref="ArgumentException">An unknown name, or one that two backends have.
    /// </exception>
    public BackendChoice(
        string command, IReadOnlyCollection<string>? names, IReadOnlyList<Backend> candidates,
        IEnumerable<Backend> company, IEnumerable<Backend> otherwise)
    {
        Backend[] all = [.. BackendRegistry.All, .. candidates];
        string? taken = all.CountBy(b => b.Name).FirstOrDefault(n => n.Value > 1).Key;
        if (taken is not null)
        {
            throw new ArgumentException(
                $"{command}: two backends are named '{taken}'. Give each its own name.");
        }

        foreach (string name in names ?? [])
        {
            if (all.Any(b => b.Name == name)) continue;
            throw new ArgumentException($"{command}: backend '{name}' is unknown. Use one of: " +
                $"{string.Join(", ", all.Select(b => b.Name))}.");
        }

        Backends = names is { Count: > 0 } ? [.. all.Where(b => names.Contains(b.Name))]
            : candidates.Count > 0 ? [.. candidates, .. company] : [.. otherwise];
        chosen = [.. candidates.Intersect(Backends)];
        if (chosen.Length == 0) chosen = [.. candidates];
    }

    /// <summary>What to run on, available or not.</summary>
    public IReadOnlyList<Backend> Backends { get; }

    /// <summary>The backends for calls of an op that nobody asked for by name: all, but where
    /// there are candidates, only calls that one of them has a kernel for (of those chosen, if any
    /// is), on the backends that have one.</summary>
    public IReadOnlyList<Backend> For(string op, OpDirection direction)
    {
        if (chosen.Length == 0) return Backends;
        return chosen.Any(Has) ? [.. Backends.Where(Has)] : [];

        bool Has(Backend backend) =>
            backend.Kernels.Any(k => k.Op == op && k.Direction == direction);
    }
}
