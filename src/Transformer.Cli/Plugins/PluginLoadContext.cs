using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.Loader;
using Transformer.Verification;

namespace Transformer.Cli.Plugins;

/// <summary>A plug-in's own dependencies, beside it; Transformer itself is the host's, so that
/// both mean the same types.</summary>
[RequiresUnreferencedCode("Loads assemblies that the trimmer has not seen.")]
internal sealed class PluginLoadContext : AssemblyLoadContext
{
    private readonly AssemblyDependencyResolver resolver;
    private readonly HashSet<string> shared;

    /// <summary>Makes a context for one plug-in.</summary>
    /// <param name="path">Full path of its assembly.</param>
    /// <exception cref="InvalidOperationException">Its .deps.json cannot be read.</exception>
    public PluginLoadContext(string path) : base(Path.GetFileNameWithoutExtension(path))
    {
        resolver = new(path);
        Assembly library = typeof(IKernelPlugin).Assembly;
        shared = [.. library.GetReferencedAssemblies().Append(library.GetName())
            .Select(name => name.Name!)];
    }

    /// <inheritdoc/>
    protected override Assembly? Load(AssemblyName assemblyName) =>
        !shared.Contains(assemblyName.Name!) &&
        resolver.ResolveAssemblyToPath(assemblyName) is { } path
            ? LoadFromAssemblyPath(path) : null;

    /// <inheritdoc/>
    protected override nint LoadUnmanagedDll(string unmanagedDllName) =>
        resolver.ResolveUnmanagedDllToPath(unmanagedDllName) is { } path
            ? LoadUnmanagedDllFromPath(path) : 0;
}
