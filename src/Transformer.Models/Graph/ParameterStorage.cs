using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Models.Graph;

/// <summary>
/// The memory behind a <see cref="ParameterSet"/>: values (all) and gradients (trainable ones).
/// The debugger makes a second one, so that two backends hold the same weights.
/// </summary>
internal sealed class ParameterStorage : IDisposable
{
    private readonly MemoryBlock values;
    private readonly MemoryBlock gradients;

    public ParameterStorage(BackendMemory memory, long length, long trainableLength)
    {
        Memory = memory;
        Length = length;
        TrainableLength = trainableLength;
        values = memory.Allocate(Math.Max(1, length) * sizeof(float));
        gradients = memory.Allocate(Math.Max(1, trainableLength) * sizeof(float));
        memory.Clear(values.Address, values.Size);
        memory.Clear(gradients.Address, gradients.Size);
    }

    public BackendMemory Memory { get; }

    public long Length { get; }

    public long TrainableLength { get; }

    public BufferView AllValues => View(values, Length);

    public BufferView Values => View(values, TrainableLength);

    public BufferView Gradients => View(gradients, TrainableLength);

    public BufferView Value(Parameter parameter) =>
        AllValues.Slice(parameter.Offset, parameter.Shape.ElementCount);

    public BufferView Gradient(Parameter parameter) => parameter.Trainable
        ? Gradients.Slice(parameter.Offset, parameter.Shape.ElementCount)
        : default;

    public void ClearGradients() =>
        Memory.Clear(Gradients.Address, TrainableLength * sizeof(float));

    /// <summary>The same values in another memory; gradients zero.</summary>
    public unsafe ParameterStorage CopyTo(BackendMemory memory)
    {
        ParameterStorage copy = new(memory, Length, TrainableLength);
        long bytes = Length * sizeof(float);
        using HostBlock host = HostMemory.Rent(bytes);
        Memory.CopyToHost(AllValues.Address, host.Address, bytes);
        memory.CopyFromHost(host.Address, copy.AllValues.Address, bytes);
        return copy;
    }

    public void Dispose()
    {
        values.Dispose();
        gradients.Dispose();
    }

    private BufferView View(MemoryBlock block, long length)
    {
        ObjectDisposedException.ThrowIf(block.IsClosed, this);
        return new(block.Address, length, DType.Float32);
    }
}
