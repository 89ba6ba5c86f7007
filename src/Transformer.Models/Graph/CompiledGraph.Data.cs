using System.Diagnostics.CodeAnalysis;
using Transformer.Tensors;

namespace Transformer.Models.Graph;

/// <content>Inputs, outputs and states by name.</content>
public sealed partial class CompiledGraph
{
    /// <summary>An input's memory, to be written before a run; host memory only.</summary>
    /// <exception cref="ArgumentException">No such input, or another element type.</exception>
    /// <exception cref="InvalidOperationException">Device memory: use <see cref="Feed"/>.
    /// </exception>
    public Span<T> Input<T>(string name) where T : unmanaged =>
        HostSpan<T>("input", name, Find("input", program.Inputs, name));

    /// <summary>Copies host data into an input.</summary>
    /// <exception cref="ArgumentException">No such input, another element type or count, or, in
    /// device memory, a number out of range.</exception>
    public unsafe void Feed<T>(string name, ReadOnlySpan<T> data) where T : unmanaged
    {
        GraphTensor tensor = Find("input", program.Inputs, name);
        RequireFit<T>("input", name, tensor, data.Length);
        fixed (T* pointer = data)
        {
            if (!backend.Memory.IsHostAccessible)
            {
                CheckRanges(tensor, new(pointer, checked((int)tensor.Bytes)));
            }

            backend.Memory.CopyFromHost((nint)pointer, Locate(tensor).Address, tensor.Bytes);
        }
    }

    /// <summary>An output's memory after a run; host memory only.</summary>
    /// <exception cref="ArgumentException">No such output, or another element type.</exception>
    /// <exception cref="InvalidOperationException">Another graph of the arena has run since, or
    /// device memory: use <see cref="Fetch"/>.</exception>
    public ReadOnlySpan<T> Output<T>(string name) where T : unmanaged
    {
        RequireHeld();
        return HostSpan<T>("output", name, Find("output", program.Outputs, name));
    }

    /// <summary>Copies an output to the host and waits for it.</summary>
    /// <exception cref="ArgumentException">No such output, another element type or count.
    /// </exception>
    /// <exception cref="InvalidOperationException">Another graph of the arena has run since.
    /// </exception>
    public unsafe void Fetch<T>(string name, Span<T> data) where T : unmanaged
    {
        RequireHeld();
        GraphTensor tensor = Find("output", program.Outputs, name);
        RequireFit<T>("output", name, tensor, data.Length);
        fixed (T* pointer = data)
        {
            backend.Memory.CopyToHost(Locate(tensor).Address, (nint)pointer, tensor.Bytes);
        }
    }

    /// <summary>A state's memory; host memory only.</summary>
    /// <exception cref="ArgumentException">No such state, or another element type.</exception>
    /// <exception cref="InvalidOperationException">Device memory.</exception>
    public Span<T> State<T>(string name) where T : unmanaged =>
        HostSpan<T>("state", name, Find("state", program.States, name));

    /// <summary>Shape of an input, as built.</summary>
    /// <exception cref="ArgumentException">No such input.</exception>
    public TensorShape InputShape(string name) => Find("input", program.Inputs, name).Shape;

    /// <summary>Shape of an output, as built.</summary>
    /// <exception cref="ArgumentException">No such output.</exception>
    public TensorShape OutputShape(string name) => Find("output", program.Outputs, name).Shape;

    private unsafe ReadOnlySpan<byte> Bytes(GraphTensor tensor) =>
        new((void*)Locate(tensor).Address, checked((int)tensor.Bytes));

    private void CheckRanges(GraphTensor tensor, ReadOnlySpan<byte> bytes)
    {
        foreach (RangeCheck check in program.RangeChecks)
        {
            if (check.Tensor == tensor) check.Check(bytes);
        }
    }

    private void RequireHeld()
    {
        if (arena.Holder != this)
        {
            throw new InvalidOperationException(
                $"Graph '{Name}': its outputs do not exist: it has not run, or another graph of " +
                "the same arena has run since. Call Forward, or read outputs before that.");
        }
    }

    private Span<T> HostSpan<T>(string what, string name, GraphTensor tensor) where T : unmanaged
    {
        if (!backend.Memory.IsHostAccessible)
        {
            throw new InvalidOperationException(
                $"Graph '{Name}': {what} '{name}' lies in device memory. Use Feed and Fetch.");
        }

        RequireFit<T>(what, name, tensor, tensor.Shape.ElementCount);
        return Locate(tensor).AsSpan<T>();
    }

    private void RequireFit<T>(string what, string name, GraphTensor tensor, long length)
        where T : unmanaged
    {
        if (DTypes.Of<T>() != tensor.DType || length != tensor.Shape.ElementCount)
        {
            throw new ArgumentException(
                $"Graph '{Name}': {what} '{name}' is {tensor.DType} {tensor.Shape}, " +
                $"{tensor.Shape.ElementCount} elements; got {length} of {DTypes.Of<T>()}.");
        }
    }

    private GraphTensor Find(
        string what, IReadOnlyDictionary<string, GraphTensor> names, string name)
    {
        if (names.TryGetValue(name, out GraphTensor? tensor)) return tensor;
        ThrowUnknown(what, names.Keys, name);
        return null;
    }

    [DoesNotReturn]
    private void ThrowUnknown(string what, IEnumerable<string> names, string name) =>
        throw new ArgumentException(
            $"Graph '{Name}': no {what} '{name}'; it has {string.Join(", ", names)}.");
}
