using Transformer.Backends;

namespace Transformer.Cli.Commands;

/// <summary>Backends that prove kernels and that nobody runs on by default: of a priority below 0.
/// </summary>
internal static class NamedOnly
{
    /// <summary>Which available backends a run leaves out because it names none; null: none.
    /// </summary>
    /// <param name="names">Backends that were named.</param>
    /// <param name="candidates">Backends outside the registry.</param>
    public static string? Line(
        IReadOnlyCollection<string>? names, IReadOnlyList<Backend> candidates)
    {
        if (names is { Count: > 0 } || candidates.Count > 0) return null;
        string[] left = [.. BackendRegistry.All
            .Where(b => b.IsAvailable && b.Priority < 0).Select(b => b.Name)];
        return left.Length == 0 ? null
            : $"left out, as nobody named it with --backend: {string.Join(", ", left)}";
    }
}
