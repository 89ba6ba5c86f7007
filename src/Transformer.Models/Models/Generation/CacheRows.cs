using Transformer.Backends;
using Transformer.Models.Graph;

namespace Transformer.Models.Generation;

/// <summary>The key/value caches [rows, capacity, …] of a search, whose hypotheses change rows.
/// </summary>
internal sealed class CacheRows(
    GraphArena arena, BackendMemory memory, IReadOnlyList<GraphTensor> caches, int rows,
    int capacity) : IDisposable
{
    private MemoryBlock? scratch;

    /// <summary>Gives each row the caches of its parent, by way of a copy.</summary>
    /// <param name="parents">[at most rows].</param>
    /// <param name="used">Positions that hold something.</param>
    public void Reorder(ReadOnlySpan<int> parents, int used)
    {
        foreach (GraphTensor cache in caches)
        {
            nint address = arena.State(cache).Address;
            long stride = cache.Bytes / rows;
            long bytes = stride / capacity * used;
            scratch ??= memory.Allocate(caches.Max(c => c.Bytes));
            for (int row = 0; row < parents.Length; row++)
            {
                if (parents[row] == row) continue;
                memory.Copy(address + (nint)(parents[row] * stride),
                    scratch.Address + (nint)(row * stride), bytes);
            }

            for (int row = 0; row < parents.Length; row++)
            {
                if (parents[row] == row) continue;
                memory.Copy(scratch.Address + (nint)(row * stride),
                    address + (nint)(row * stride), bytes);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => scratch?.Dispose();
}
