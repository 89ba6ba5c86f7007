using System.Globalization;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cli.Commands.Run;

/// <summary>A tensor of attention: [B, H, S, D], or [B, S, H·D] when packed.</summary>
internal readonly record struct HeadedTensor(
    Tensor Tensor, int Batch, int Heads, int Length, int Dimension, bool Packed)
{
    /// <summary>Strides that the attention call takes.</summary>
    public AttentionStrides Strides => Packed
        ? AttentionStrides.SequenceMajor(Heads, Length, Dimension)
        : AttentionStrides.HeadMajor(Heads, Length, Dimension);

    /// <summary>Reads the sizes off a tensor of rank 4, or 3 with a number of heads.</summary>
    public static HeadedTensor Of(Tensor tensor, string option, int? given)
    {
        TensorShape shape = tensor.Shape;
        if (shape.Rank == 4)
        {
            if (given is { } count && shape[1] != count)
            {
                throw new ArgumentException($"run attention: {option} has shape {shape}, " +
                    $"{shape[1]} heads; --heads says {count}. Leave --heads out for rank 4.");
            }

            return new(tensor, checked((int)shape[0]), checked((int)shape[1]),
                checked((int)shape[2]), checked((int)shape[3]), false);
        }

        int heads = given ?? 0;
        if (heads < 1 || shape[2] % heads != 0)
        {
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
                $"run attention: {option} has shape {shape} and " +
                $"--heads {(given is null ? "is missing" : $"says {heads}")}. Rank 3 needs " +
                $"--heads Hq[,Hkv], and {shape[2]} must be a multiple of it."));
        }

        return new(
            tensor, checked((int)shape[0]), heads, checked((int)shape[1]),
            checked((int)shape[2]) / heads, true);
    }

    /// <summary>The same values as [B, H, S, D].</summary>
    public HeadedTensor HeadMajor(NpyTensors files) => !Packed ? this : Prepend(
        files, files.Result(Batch, Heads, 0, Dimension), "the past");

    /// <summary>Past rows [B, H, P, D] before these; the result is [B, H, P + S, D].</summary>
    public HeadedTensor Prepend(NpyTensors files, Tensor past, string option)
    {
        if (past.Shape[0] != Batch || past.Shape[1] != Heads || past.Shape[3] != Dimension)
        {
            throw new ArgumentException($"run attention: {option} has shape {past.Shape}; " +
                $"expected [{Batch}, {Heads}, P, {Dimension}] to match the new rows. Reshape it.");
        }

        int pastLength = (int)past.Shape[2], total = pastLength + Length;
        float[] old = new float[past.Shape.ElementCount];
        float[] fresh = new float[Tensor.Shape.ElementCount];
        float[] joined = new float[(long)Batch * Heads * total * Dimension];
        past.CopyTo(old.AsSpan());
        Tensor.CopyTo(fresh.AsSpan());
        AttentionStrides strides = Strides;
        for (int b = 0; b < Batch; b++)
        {
            for (int h = 0; h < Heads; h++)
            {
                int head = (b * Heads) + h;
                Span<float> target = joined.AsSpan(head * total * Dimension, total * Dimension);
                old.AsSpan(head * pastLength * Dimension, pastLength * Dimension).CopyTo(target);
                for (int s = 0; s < Length; s++)
                {
                    long from = (b * strides.Batch) + (h * strides.Head) + (s * strides.Sequence);
                    fresh.AsSpan((int)from, Dimension)
                        .CopyTo(target[((pastLength + s) * Dimension)..]);
                }
            }
        }

        Tensor result = files.Copy<float>(joined, [Batch, Heads, total, Dimension]);
        return new(result, Batch, Heads, total, Dimension, false);
    }
}
