using System.CommandLine;
using Transformer.Backends;

namespace Transformer.Cli;

/// <summary>Options that mean the same on every command.</summary>
internal static class CommonOptions
{
    /// <summary><c>--backend NAME</c>.</summary>
    public static Option<string?> Backend() => new("--backend")
    {
        Description = "Backend to run on; the default is the best available (see 'devices').",
        HelpName = "NAME",
    };

    /// <summary><c>--seed N</c>.</summary>
    public static NumberOption<ulong> Seed() => new("--seed")
    {
        Description = "Seed of every random choice (0 where no other default is shown); " +
            "the same seed gives the same result.",
        HelpName = "N",
    };

    /// <summary><c>--json FILE</c>.</summary>
    public static Option<string?> Json() => new("--json")
    {
        Description = "Also write the result as JSON to FILE; '-' writes it, and nothing else, " +
            "to standard output.",
        HelpName = "FILE",
    };

    /// <summary><c>--model FOLDER</c>.</summary>
    public static Option<string> Model() => new("--model")
    {
        Description = "Folder of a trained model, as 'train' writes it.",
        HelpName = "FOLDER",
        Required = true,
    };

    /// <summary>The chosen backend, or the best available.</summary>
    public static Backend Resolve(string? name) =>
        name is null ? BackendRegistry.Default : BackendRegistry.Find(name);
}
