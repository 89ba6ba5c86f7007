using Transformer.Tensors;

namespace Transformer.Models.Graph;

/// <summary>What <see cref="ParameterSet"/> needs to know to declare one parameter.</summary>
/// <param name="Name">Dotted name, unique in its set.</param>
/// <param name="Shape">Axis sizes.</param>
/// <param name="Initializer">First values.</param>
/// <param name="Decay">Whether weight decay applies.</param>
/// <param name="Trainable">Whether it has a gradient.</param>
public readonly record struct ParameterDeclaration(
    string Name, TensorShape Shape, Initializer Initializer, bool Decay = true,
    bool Trainable = true);

/// <summary>One named tensor that training changes, in the memory of its
/// <see cref="ParameterSet"/>.</summary>
public sealed class Parameter
{
    private readonly ParameterSet owner;

    internal Parameter(ParameterSet owner, ParameterDeclaration declaration, int index, int group)
    {
        this.owner = owner;
        Name = declaration.Name;
        Shape = declaration.Shape;
        Initializer = declaration.Initializer;
        Decay = declaration.Decay && declaration.Trainable;
        Trainable = declaration.Trainable;
        Index = index;
        Group = group;
    }

    /// <summary>Dotted name, unique in its set.</summary>
    public string Name { get; }

    /// <summary>Axis sizes.</summary>
    public TensorShape Shape { get; }

    /// <summary>Whether weight decay applies.</summary>
    public bool Decay { get; }

    /// <summary>Whether it has a gradient.</summary>
    public bool Trainable { get; }

    /// <summary>The values, fp32.</summary>
    /// <exception cref="InvalidOperationException">The set is not allocated.</exception>
    public BufferView Value => owner.Storage.Value(this);

    /// <summary>The gradient, fp32; absent where the parameter is not trainable.</summary>
    /// <exception cref="InvalidOperationException">The set is not allocated.</exception>
    public BufferView Gradient => owner.Storage.Gradient(this);

    internal Initializer Initializer { get; }

    internal int Index { get; }

    internal int Group { get; }

    internal long Offset { get; set; }

    /// <summary>Overwrites the values.</summary>
    /// <param name="source">One number for each element, row-major.</param>
    /// <exception cref="ArgumentException">Another number of elements.</exception>
    public unsafe void CopyFrom(ReadOnlySpan<float> source)
    {
        RequireLength(source.Length);
        fixed (float* pointer = source)
        {
            owner.Backend.Memory.CopyFromHost(
                (nint)pointer, Value.Address, Shape.ElementCount * sizeof(float));
        }
    }

    /// <summary>Reads the values.</summary>
    /// <param name="destination">One number for each element, row-major.</param>
    /// <exception cref="ArgumentException">Another number of elements.</exception>
    public unsafe void CopyTo(Span<float> destination)
    {
        RequireLength(destination.Length);
        fixed (float* pointer = destination)
        {
            owner.Backend.Memory.CopyToHost(
                Value.Address, (nint)pointer, Shape.ElementCount * sizeof(float));
        }
    }

    private void RequireLength(int length)
    {
        if (length != Shape.ElementCount)
        {
            throw new ArgumentException(
                $"Parameter '{Name}': {length} elements given; {Shape} holds " +
                $"{Shape.ElementCount}.");
        }
    }
}
