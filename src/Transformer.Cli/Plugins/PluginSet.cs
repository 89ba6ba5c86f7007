using System.CommandLine;
using System.Diagnostics.CodeAnalysis;
using Transformer.Backends;
using Transformer.Verification;

namespace Transformer.Cli.Plugins;

/// <summary>What the files of <c>--plugin</c> bring to a run.</summary>
internal sealed class PluginSet
{
    private const string Switch = "Transformer.Cli.Plugins.IsSupported";

    private readonly List<(string File, IKernelPlugin Plugin)> plugins = [];
    private readonly List<Backend> backends = [];

    private PluginSet()
    {
    }

    /// <summary>Their backends, each name once.</summary>
    public IReadOnlyList<Backend> Backends => backends;

    /// <summary>Cases of their own ops.</summary>
    public IReadOnlyList<ParityCase> Cases => [.. plugins.SelectMany(
        p => PluginFile.List(p.File, "Cases", () => p.Plugin.Cases))];

    /// <summary>False in programs that were trimmed or compiled ahead of time: there the types
    /// that an assembly asks for may be gone.</summary>
    [FeatureSwitchDefinition(Switch)]
    [FeatureGuard(typeof(RequiresUnreferencedCodeAttribute))]
#pragma warning disable IL4000 // The project file sets the switch to false where it trims.
    private static bool IsSupported =>
        !AppContext.TryGetSwitch(Switch, out bool supported) || supported;
#pragma warning restore IL4000

    /// <summary><c>--plugin FILE</c>.</summary>
    public static Option<string[]> Option() => new("--plugin")
    {
        Description = "Also load kernels from this assembly (a class that implements " +
            "IKernelPlugin); may be given several times. Without --backend its backends are run " +
            "alone, in bench beside the default one; without --op, the ops that it has.",
        HelpName = "FILE",
    };

    /// <summary>Loads the files.</summary>
    /// <exception cref="NotSupportedException">This program cannot load assemblies.</exception>
    /// <exception cref="ArgumentException">A path is empty, or a backend's name is taken.
    /// </exception>
    /// <exception cref="IOException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">A file is no plug-in, or its code throws.
    /// </exception>
    public static PluginSet Load(IEnumerable<string>? files)
    {
        PluginSet set = new();
        foreach (string file in files ?? []) set.Add(file);
        return set;
    }

    /// <summary>Calls to be timed of their own ops.</summary>
    public IEnumerable<BenchCase> BenchCases(BenchSize size) => plugins.SelectMany(
        p => PluginFile.List(p.File, "BenchCases", () => p.Plugin.BenchCases(size)));

    private void Add(string file)
    {
        if (!IsSupported)
        {
            throw new NotSupportedException($"--plugin '{file}': this transformer was trimmed or " +
                "compiled ahead of time and cannot load assemblies. Use the .NET tool, or " +
                "'dotnet run --project src/Transformer.Cli'.");
        }

        foreach (IKernelPlugin plugin in PluginFile.Load(file))
        {
            plugins.Add((file, plugin));
            Backend[] brought = PluginFile.List(file, "Backends", () => plugin.Backends);
            if (brought.Length == 0)
            {
                throw new InvalidDataException($"--plugin '{file}': {plugin.GetType().FullName} " +
                    "brings no backend. Return at least one from Backends.");
            }

            foreach (Backend backend in brought) Add(file, backend);
        }
    }

    private void Add(string file, Backend backend)
    {
        string name = PluginFile.Guard(file, () => backend.Name);
        if (string.IsNullOrEmpty(name))
        {
            throw new InvalidDataException($"--plugin '{file}': a backend of type " +
                $"{backend.GetType().FullName} has no name. Give it one.");
        }

        if (BackendRegistry.All.Concat(backends).Any(other => other.Name == name))
        {
            throw new ArgumentException($"--plugin '{file}': it brings a backend named " +
                $"'{name}', and there is one of that name already. Give it another.");
        }

        backends.Add(backend);
    }
}
