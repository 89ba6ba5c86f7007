namespace Transformer.Backends;

/// <summary>
/// Every backend of the process. Tests, benchmarks, the graph and the command line enumerate it,
/// so that adding one needs no edit anywhere else.
/// </summary>
public static class BackendRegistry
{
    private static readonly Lock Gate = new();
    private static readonly List<Backend> Backends =
        [ReferenceBackend.Instance, SimdBackend.Instance];
    private static readonly List<Func<Backend>> Pending = [];

    /// <summary>All backends, available or not, in order of registration.</summary>
    public static IReadOnlyList<Backend> All
    {
        get
        {
            lock (Gate)
            {
                while (Pending.Count > 0)
                {
                    Func<Backend> make = Pending[0];
                    Pending.RemoveAt(0);
                    Add(make());
                }

                return [.. Backends];
            }
        }
    }

    /// <summary>The available backend with the highest priority.</summary>
    public static Backend Default => All.Where(b => b.IsAvailable).MaxBy(b => b.Priority)!;

    /// <summary>The definition of what is right.</summary>
    public static Backend Reference => ReferenceBackend.Instance;

    /// <summary>The vectorised CPU backend; what the span entries run on.</summary>
    public static Backend Cpu => SimdBackend.Instance;

    /// <summary>Threads that work on a call on the CPU, the caller's included: at first
    /// TRANSFORMER_THREADS, else the number of processors. Results do not depend on it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Less than 1.</exception>
    public static int CpuThreads
    {
        get => CpuParallel.ThreadCount;
        set => CpuParallel.ThreadCount = value;
    }

    /// <summary>Adds a backend of another assembly.</summary>
    /// <exception cref="ArgumentException">The name is taken.</exception>
    public static void Register(Backend backend)
    {
        lock (Gate) Add(backend);
    }

    /// <summary>Adds a backend that is made when somebody first asks for backends: looking for a
    /// driver takes time that a program may never need to spend.</summary>
    /// <param name="make">Makes it; a name that is taken makes the first question throw.</param>
    public static void Register(Func<Backend> make)
    {
        lock (Gate) Pending.Add(make);
    }

    /// <summary>Finds a backend by name.</summary>
    /// <exception cref="ArgumentException">No such backend; the message lists the names.
    /// </exception>
    /// <exception cref="NotSupportedException">It is not available here; says why.</exception>
    public static Backend Find(string name)
    {
        Backend backend = All.FirstOrDefault(b => b.Name == name) ?? throw new ArgumentException(
            $"backend '{name}' is unknown. Use one of: " +
            $"{string.Join(", ", All.Select(b => b.Name))}.");
        return backend.UnavailableReason is { } reason
            ? throw new NotSupportedException($"backend '{name}' is not available: {reason}.")
            : backend;
    }

    private static void Add(Backend backend)
    {
        if (Backends.Any(b => b.Name == backend.Name))
        {
            throw new ArgumentException(
                $"BackendRegistry: a backend named '{backend.Name}' is registered already.");
        }

        Backends.Add(backend);
    }
}
