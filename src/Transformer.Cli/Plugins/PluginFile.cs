using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using Transformer.Verification;

namespace Transformer.Cli.Plugins;

/// <summary>One assembly with kernels: found, checked, loaded, and its plug-in classes made.
/// </summary>
/// <remarks>Whatever is wrong with the assembly or its code is said in one line that names the
/// file.</remarks>
internal static class PluginFile
{
    /// <summary>Loads an assembly and makes its plug-ins.</summary>
    /// <param name="file">Path as it was given.</param>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="IOException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is no assembly, holds no plug-in, or does not fit
    /// this version; or its code throws.</exception>
    [RequiresUnreferencedCode("Loads an assembly that the trimmer has not seen.")]
    public static IReadOnlyList<IKernelPlugin> Load(string file)
    {
        if (string.IsNullOrWhiteSpace(file))
            throw new ArgumentException("--plugin is empty. Name a file.");
        if (Directory.Exists(file))
            throw new IOException($"--plugin '{file}' is a folder. Name the .dll in it.");
        if (!File.Exists(file))
        {
            throw new FileNotFoundException(
                $"--plugin '{file}': there is no such file. Build the project and name its .dll.");
        }

        Assembly assembly = LoadAssembly(file);
        RequireVersion(file, assembly);
        Type[] types = Guard(file, assembly.GetExportedTypes);
        Type[] plugins = [.. types.Where(type => !type.IsAbstract && !type.ContainsGenericParameters
            && type.IsAssignableTo(typeof(IKernelPlugin))
            && type.GetConstructor(Type.EmptyTypes) is not null)];
        if (plugins.Length == 0)
        {
            throw new InvalidDataException($"--plugin '{file}': it has no public class with a " +
                $"parameterless constructor that implements {typeof(IKernelPlugin).FullName}. " +
                "Add one.");
        }

        return [.. plugins.Select(type =>
            Guard(file, () => (IKernelPlugin)Activator.CreateInstance(type)!))];
    }

    /// <summary>What a property of a plug-in lists.</summary>
    /// <exception cref="InvalidDataException">It throws, is null or holds null.</exception>
    public static T[] List<T>(string file, string property, Func<IEnumerable<T>> code)
        where T : class
    {
        T[]? list = Guard(file, () => code()?.ToArray());
        return list is not null && !list.Contains(null) ? list
            : throw new InvalidDataException($"--plugin '{file}': its '{property}' " +
                $"{(list is null ? "is" : "holds a")} null. Leave it out, or give a value.");
    }

    /// <summary>Runs a plug-in's own code.</summary>
    /// <exception cref="InvalidDataException">It throws; says what.</exception>
    public static T Guard<T>(string file, Func<T> code)
    {
        try
        {
            return code();
        }
        catch (Exception caught) when (caught is not OutOfMemoryException)
        {
            Exception exception = caught;
            while (exception is TargetInvocationException or TypeInitializationException &&
                exception.InnerException is { } inner)
            {
                exception = inner;
            }

            bool unfit = exception is TypeLoadException or MissingMemberException
                or FileNotFoundException or FileLoadException;
            throw new InvalidDataException($"--plugin '{file}': its code threw " +
                $"{exception.GetType().Name}: {exception.Message.TrimEnd('.')}. " + (unfit
                    ? $"Rebuild it against Transformer {Version()}, with what it needs beside it."
                    : "Correct it and build again."), exception);
        }
    }

    [RequiresUnreferencedCode("Loads an assembly that the trimmer has not seen.")]
    private static Assembly LoadAssembly(string file)
    {
        string path = Path.GetFullPath(file);
        try
        {
            return new PluginLoadContext(path).LoadFromAssemblyPath(path);
        }
        catch (BadImageFormatException exception)
        {
            throw new InvalidDataException($"--plugin '{file}' is not a .NET assembly for this " +
                "runtime. Name the .dll that 'dotnet build' made.", exception);
        }
        catch (Exception exception) when (
            exception is FileLoadException or InvalidOperationException)
        {
            throw new InvalidDataException($"--plugin '{file}' cannot be loaded: " +
                $"{exception.Message.TrimEnd('.')}. Build it again.", exception);
        }
    }

    // A later major version, and before 1.0 a later minor one, may have changed any signature.
    [RequiresUnreferencedCode("Reads the references of a loaded assembly.")]
    private static void RequireVersion(string file, Assembly assembly)
    {
        AssemblyName own = typeof(IKernelPlugin).Assembly.GetName();
        Version? built = assembly.GetReferencedAssemblies()
            .FirstOrDefault(name => name.Name == own.Name)?.Version;
        if (built is null) return;
        Version here = own.Version!;
        bool fits = built.Major == here.Major &&
            (here.Major == 0 ? built.Minor == here.Minor : built.Minor <= here.Minor);
        if (!fits)
        {
            throw new InvalidDataException($"--plugin '{file}' was built against Transformer " +
                $"{built.ToString(3)}; this is {Version()}. Rebuild it against this version.");
        }
    }

    private static string Version() =>
        typeof(IKernelPlugin).Assembly.GetName().Version!.ToString(3);
}
