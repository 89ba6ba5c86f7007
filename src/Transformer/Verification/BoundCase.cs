using Transformer.Tensors;

namespace Transformer.Verification;

/// <summary>A call of a case with its operands, ready to be run again and again. Several copies of
/// the operands take turns where calls shall not find them in a cache.</summary>
/// <param name="memories">The operands, one entry a copy.</param>
/// <param name="run">Runs the call on the copy of that index.</param>
/// <param name="wait">Waits until a device has done what it was given; null: there is none.</param>
internal sealed class BoundCase(
    List<CaseMemory> memories, Action<int> run, Action? wait = null) : IDisposable
{
    // Memory for copies, in working sets: operands hold more than what a call touches.
    private const int MostWorkingSets = 8;

    private int next;

    /// <summary>Instances of the operands.</summary>
    public int CopyCount => memories.Count;

    /// <summary>Copies of the operands that together make calls touch the working set.</summary>
    /// <param name="touched">Bytes that one call touches.</param>
    /// <param name="allocated">Bytes of one copy.</param>
    /// <param name="workingSet">Bytes; 0: one copy.</param>
    /// <returns>1 also where the copies would take several times the working set: a row appended
    /// to a long cache, for example, which is in a cache in use, too.</returns>
    public static int Copies(double touched, long allocated, long workingSet)
    {
        if (workingSet <= 0 || touched <= 0) return 1;
        double copies = Math.Ceiling(workingSet / touched);
        return copies * allocated <= (double)MostWorkingSets * workingSet
            ? (int)copies : 1;
    }

    /// <summary>Runs the call once, on the next copy, and waits for it.</summary>
    public void Run()
    {
        Start();
        wait?.Invoke();
    }

    /// <summary>Gives the call to its device, on the next copy.</summary>
    public void Start()
    {
        run(next);
        next = next + 1 == memories.Count ? 0 : next + 1;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (CaseMemory memory in memories) memory.Dispose();
        // What copies held is more than any later call is likely to ask for.
        if (memories.Count > 1) HostMemory.Trim();
    }
}
