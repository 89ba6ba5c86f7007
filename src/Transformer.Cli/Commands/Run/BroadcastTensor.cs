using Transformer.Tensors;

namespace Transformer.Cli.Commands.Run;

/// <summary>A tensor that ONNX's and NumPy's rules stretch to another shape: axes are aligned at
/// the last, sizes are equal or 1.</summary>
internal sealed class BroadcastTensor
{
    private readonly float[] values;
    private readonly long[] sizes;

    /// <summary>Checks that the tensor can be stretched.</summary>
    /// <exception cref="ArgumentException">It cannot.</exception>
    public BroadcastTensor(string command, string option, Tensor tensor, TensorShape target)
    {
        int missing = target.Rank - tensor.Shape.Rank;
        sizes = [.. Enumerable.Repeat(1L, Math.Max(0, missing)), .. tensor.Shape.ToArray()];
        bool fits = missing >= 0 &&
            !sizes.Where((size, axis) => size != 1 && size != target[axis]).Any();
        if (!fits)
        {
            throw new ArgumentException($"{command}: {option} has shape {tensor.Shape}; expected " +
                $"a shape that broadcasts to --x {target}. Reshape it, or give another file.");
        }

        values = new float[tensor.Shape.ElementCount];
        tensor.CopyTo(values.AsSpan());
    }

    /// <summary>Whether it differs along an axis before the given one.</summary>
    public bool Varies(int axis) => sizes.AsSpan(0, axis).ContainsAnyExcept(1);

    /// <summary>The elements of the stretched tensor, or of its last axes.</summary>
    public float[] Expand(TensorShape shape)
    {
        ReadOnlySpan<long> own = sizes.AsSpan(sizes.Length - shape.Rank);
        float[] result = new float[shape.ElementCount];
        for (long i = 0; i < result.Length; i++)
        {
            long rest = i, at = 0, stride = 1;
            for (int axis = shape.Rank - 1; axis >= 0; axis--)
            {
                (rest, long index) = Math.DivRem(rest, shape[axis]);
                if (own[axis] != 1) at += index * stride;
                stride *= own[axis];
            }

            result[i] = values[at];
        }

        return result;
    }
}
