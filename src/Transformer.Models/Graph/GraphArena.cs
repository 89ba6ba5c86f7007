using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Models.Graph;

/// <summary>
/// Memory that several compiled graphs take in turns: one shape of a model runs at a time, so all
/// shapes need no more than the largest. It also owns their states.
/// </summary>
/// <remarks>States of the same name, shape and type are one and the same in all graphs of an
/// arena: a graph that reads a prompt and one that continues it share their caches. Not safe for
/// use by several threads at once; give each thread its own arena.</remarks>
public sealed class GraphArena : IDisposable
{
    private readonly Dictionary<(string, TensorShape, DType), Tensor> states = [];
    private MemoryBlock? block;

    /// <summary>Makes an empty arena.</summary>
    /// <param name="backend">Whose memory it takes.</param>
    public GraphArena(Backend backend) => Backend = backend;

    /// <summary>The backend in whose memory the arena lies.</summary>
    public Backend Backend { get; }

    /// <summary>Bytes that graphs can use now, without states.</summary>
    public long Bytes => block?.Size ?? 0;

    /// <summary>Changes whenever the memory moves.</summary>
    internal int Version { get; private set; }

    /// <summary>The graph whose values the arena holds.</summary>
    internal CompiledGraph? Holder { get; set; }

    internal bool IsDisposed { get; private set; }

    internal nint Address => block?.Address ?? 0;

    /// <summary>Returns the memory; graphs that use it cannot run any more.</summary>
    public void Dispose()
    {
        IsDisposed = true;
        block?.Dispose();
        foreach (Tensor state in states.Values) state.Dispose();
        states.Clear();
    }

    internal void Require(long bytes)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        if (block is not null && block.Size >= bytes) return;
        block?.Dispose();
        block = Backend.Memory.Allocate(Math.Max(HostMemory.Alignment, bytes));
        Holder = null;
        Version++;
    }

    internal BufferView State(GraphTensor state)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        (string, TensorShape, DType) key = (state.Name, state.Shape, state.DType);
        if (!states.TryGetValue(key, out Tensor? tensor))
        {
            states[key] = tensor = new Tensor(state.Shape, state.DType, Backend.Memory);
        }

        return tensor.View;
    }
}
