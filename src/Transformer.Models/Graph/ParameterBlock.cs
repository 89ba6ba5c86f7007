using Transformer.Tensors;

namespace Transformer.Models.Graph;

/// <summary>One parameter, or neighbours of one group that a fused call takes as one: matrices
/// [outᵢ, in] stacked to [Σ outᵢ, in], vectors joined.</summary>
internal sealed class ParameterBlock(params Parameter[] parts)
{
    public IReadOnlyList<Parameter> Parts => parts;

    public Parameter First => parts[0];

    public long Length { get; } = parts.Sum(p => p.Shape.ElementCount);

    public bool Trainable => First.Trainable;

    public TensorShape Shape => First.Shape.Rank == 1
        ? new(parts.Sum(p => p.Shape[0]))
        : new(parts.Sum(p => p.Shape[0]), First.Shape[1]);

    public BufferView Value(ParameterStorage storage) =>
        storage.AllValues.Slice(First.Offset, Length);

    public BufferView Gradient(ParameterStorage storage) =>
        Trainable ? storage.Gradients.Slice(First.Offset, Length) : default;

    /// <summary>Whether the other parameter directly follows the last one in memory.</summary>
    public static bool Follows(Parameter first, Parameter second) =>
        first.Group == second.Group && second.Index == first.Index + 1;

    public static ParameterBlock? Of(Parameter? parameter) =>
        parameter is null ? null : new(parameter);
}
