using Transformer.Backends;

namespace Transformer.Verification;

/// <summary>Runs every case on every chosen backend against the reference.</summary>
public static class ParityRunner
{
    /// <summary>Runs the chosen cases, yielding each result as soon as it is there.</summary>
    /// <remarks>What a backend does not support is yielded with the reason, never as passed.
    /// </remarks>
    /// <exception cref="ArgumentException">An unknown op, backend or case, or two backends of one
    /// name.</exception>
    public static IEnumerable<ParityResult> Run(ParityOptions? options = null)
    {
        options ??= new();
        BackendChoice choice = new(
            "verify", options.Backends, options.Candidates, [],
            BackendRegistry.All.Where(b => b.IsAvailable && b.Priority >= 0));
        IReadOnlyList<Backend> On(ParityCase c) =>
            options.Ops is { Count: > 0 } ? choice.Backends : choice.For(c.Op, c.Direction);
        ParityCase[] cases = [.. ParityCases.Select(options.Ops, options.Quick, options.Cases)
            .Where(c => On(c).Count > 0)];
        return Named(cases, options).SelectMany(c => c.RunAll(On(c)));
    }

    private static ParityCase[] Named(ParityCase[] cases, ParityOptions options)
    {
        if (options.Case is not { } text) return cases;
        ParityCase[] exact = [.. cases.Where(c => c.Name == text)];
        if (exact.Length > 0) return exact;
        ParityCase[] similar =
            [.. cases.Where(c => c.Name.Contains(text, StringComparison.OrdinalIgnoreCase))];
        return similar.Length > 0 ? similar : throw new ArgumentException(
            $"verify: none of {cases.Length} {(options.Quick ? "quick " : "")}cases has '{text}' " +
            "in its name. List them with --json.");
    }
}
