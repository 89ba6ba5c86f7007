using Transformer.Tensors;

namespace Transformer.Cli.Commands.Run;

/// <summary>An axis of a tensor, and the tensor as [Outer, Length, Inner] about it.</summary>
internal readonly record struct TensorAxis(int Index, int Outer, int Length, int Inner)
{
    /// <summary>The axis by its number; negative ones count from the end.</summary>
    /// <exception cref="ArgumentException">The tensor has no such axis.</exception>
    public static TensorAxis Of(string command, TensorShape shape, int axis)
    {
        int index = axis < 0 ? axis + shape.Rank : axis;
        if (index < 0 || index >= shape.Rank)
        {
            string remedy = shape.Rank == 0
                ? "Give it an axis" : $"Use {-shape.Rank} to {shape.Rank - 1}";
            throw new ArgumentException(
                $"{command}: --axis is {axis}; --x has shape {shape}. {remedy}.");
        }

        long[] sizes = shape.ToArray();
        return new(index, Count(sizes[..index]), checked((int)sizes[index]),
            Count(sizes[(index + 1)..]));
    }

    private static int Count(long[] sizes) =>
        checked((int)sizes.Aggregate(1L, (product, size) => product * size));
}
