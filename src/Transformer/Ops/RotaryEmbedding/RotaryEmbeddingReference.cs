using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Rotates pairs of a head's elements by their position's angles, or back.</summary>
/// <remarks>
/// Formula: with (c, s) of the token's table row and pair i, output₁ = c·x₁ − s·x₂ and
/// output₂ = s·x₁ + c·x₂; the gradient takes −s for s. Elements from R on are copied.
/// Shapes: input, output [B, H, S, D] with strides over B, H and S; tables [MaxPositions, R/2] or
/// [B, S, R/2]; ids [B, S].
/// Work: one thread, head by head, one pair at a time; input and output may be the same.
/// Bytes: every element read and written once, the token's table row once a head.
/// Numerics: double, one rounding on writing.
/// Preconditions: a validated call; ids are checked before anything is written.
/// Source: Su et al. 2021, eq. 34.
/// </remarks>
internal sealed class RotaryEmbeddingReference
    : IKernel<RotaryEmbeddingForward>, IKernel<RotaryEmbeddingBackward>
{
    public void Run(in RotaryEmbeddingForward call) => Run(call.Pass);

    public void Run(in RotaryEmbeddingBackward call) => Run(call.Pass);

    /// <summary>One head: source[from ..] to target[to ..], by row <paramref name="row"/> of the
    /// tables.</summary>
    public static void Rotate(
        RotaryTables tables, int headDimension, long row, bool inverse, BufferView source,
        long from, BufferView target, long to)
    {
        int rotary = tables.EffectiveRotaryDimension(headDimension);
        int half = rotary / 2;
        for (int i = 0; i < half; i++)
        {
            int first = tables.Interleaved ? 2 * i : i;
            int second = tables.Interleaved ? first + 1 : i + half;
            double cos = ReferenceBuffers.Get(tables.Cosines, (row * half) + i);
            double sin = ReferenceBuffers.Get(tables.Sines, (row * half) + i);
            if (inverse) sin = -sin;
            double x1 = ReferenceBuffers.Get(source, from + first);
            double x2 = ReferenceBuffers.Get(source, from + second);
            ReferenceBuffers.Set(target, to + first, (cos * x1) - (sin * x2));
            ReferenceBuffers.Set(target, to + second, (sin * x1) + (cos * x2));
        }

        for (int i = rotary; i < headDimension; i++)
        {
            ReferenceBuffers.Set(target, to + i, ReferenceBuffers.Get(source, from + i));
        }
    }

    private static unsafe void Run(RotaryPass pass)
    {
        pass.CheckPositions();
        RotaryInputs inputs = pass.Inputs;
        RotarySizes sizes = inputs.Sizes;
        if (sizes.Length == 0) return; // however many heads
        AttentionStrides a = pass.SourceStrides, z = pass.TargetStrides;
        int* ids = inputs.PositionIds.Pointer<int>();
        for (int b = 0; b < sizes.Batch; b++)
        {
            for (int h = 0; h < sizes.Heads; h++)
            {
                for (int s = 0; s < sizes.Length; s++)
                {
                    long token = ((long)b * sizes.Length) + s;
                    long row = inputs.Tables.MaxPositions == 0 ? token
                        : ids != null ? ids[token] : inputs.PositionOffset + s;
                    Rotate(inputs.Tables, sizes.HeadDimension, row, pass.Inverse, pass.Source,
                        (b * a.Batch) + (h * a.Head) + (s * a.Sequence), pass.Target,
                        (b * z.Batch) + (h * z.Head) + (s * z.Sequence));
                }
            }
        }
    }
}
