using Transformer.Tensors;

namespace Transformer.Models.Graph;

/// <summary>A value of a graph: typed and shaped, without memory until the graph is compiled.
/// </summary>
public sealed class GraphTensor
{
    internal GraphTensor(string name, TensorShape shape, DType dtype, TensorSource source)
    {
        Name = name;
        Shape = shape;
        DType = dtype;
        Source = source;
    }

    /// <summary>Name of the input, or of the node that computes it.</summary>
    public string Name { get; }

    /// <summary>Axis sizes.</summary>
    public TensorShape Shape { get; }

    /// <summary>Element type.</summary>
    public DType DType { get; }

    internal TensorSource Source { get; }

    internal long Bytes => Shape.ElementCount * DType.Size();

    /// <summary>Rows of the matrix view: all axes but the last.</summary>
    internal int Rows => checked((int)Shape.Rows);

    /// <summary>Size of the last axis.</summary>
    internal int Width => checked((int)Shape[^1]);

    /// <inheritdoc/>
    public override string ToString() => $"{Name} {Shape}";

    internal static GraphTensor Of(
        string name, TensorShape shape, DType dtype = DType.Float32) =>
        new(name, shape, dtype, TensorSource.Node);

    /// <summary>A new value of the same shape and type.</summary>
    internal GraphTensor Like(string name) => new(name, Shape, DType, TensorSource.Node);

    /// <summary>The shape with another last axis.</summary>
    internal TensorShape WithWidth(long width)
    {
        long[] sizes = Shape.ToArray();
        sizes[^1] = width;
        return new(sizes);
    }
}

/// <summary>Where a tensor's contents come from.</summary>
internal enum TensorSource
{
    /// <summary>Computed by a node; lies in the arena.</summary>
    Node,

    /// <summary>Written by the host before a run.</summary>
    Input,

    /// <summary>Kept between runs.</summary>
    State,
}
