using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.RotaryEmbedding;

/// <summary>A call; forward and backward alike.</summary>
internal struct RotaryArgument<T> where T : unmanaged
{
    public ArrayView<T> Input, Output;
    public ArrayView<float> Cosines, Sines;
    public ArrayView<int> Ids;
    public long InputBatch, InputHead, InputRow, OutputBatch, OutputHead, OutputRow;

    /// <summary>R/2 and dimension − R.</summary>
    public int Half, Rest;

    /// <summary>Of the tables; 0: they are gathered, a row a token.</summary>
    public int Positions;

    public int Heads, Length, Offset, Neighbours;

    /// <summary>1, or −1 for the gradient.</summary>
    public float Direction;
}

/// <summary>With (c, s) of the token's table row and pair i: output₁ = c·x₁ − s·x₂, output₂ = s·x₁
/// + c·x₂; the gradient takes −s for s. Elements behind the rotary dimension R are
/// copied.</summary>
/// <remarks>
/// <para>Shapes: input, output [batch, heads, length, dimension] with strides over the first three;
/// tables [positions, R/2] or [batch, length, R/2] in float; ids [batch, length].</para>
/// <para>Work: a group a token, a thread for a pair or a copied element of a head. Shared memory:
/// none.</para>
/// <para>Bytes: every element read and written once; the token's table row comes from cache for all
/// heads but the first.</para>
/// <para>Numerics: float, one rounding on writing. A position outside the tables gives NaN; nothing
/// is read out of bounds.</para>
/// <para>The output may be the input, with its strides. Source: Su et al. 2021, eq. 34.</para>
/// </remarks>
internal static class RotaryKernel
{
    public static void GroupPerToken<T, TStorage>(RotaryArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        TStorage storage = default;
        int batch = Grid.IdxX / p.Length, token = Grid.IdxX % p.Length;
        int position = p.Positions == 0 ? Grid.IdxX
            : p.Ids.Length > 0 ? p.Ids[Grid.IdxX] : p.Offset + token;
        bool known = p.Positions == 0 || (position >= 0 && position < p.Positions);
        int units = p.Half + p.Rest;
        for (int i = Group.IdxX; i < p.Heads * units; i += Group.DimX)
        {
            int head = i / units, unit = i % units;
            long from = (batch * p.InputBatch) + (head * p.InputHead) + (token * p.InputRow);
            long to = (batch * p.OutputBatch) + (head * p.OutputHead) + (token * p.OutputRow);
            if (unit >= p.Half)
            {
                int copied = p.Half + unit;
                storage.Store(p.Output, to + copied, storage.Load(p.Input, from + copied));
                continue;
            }

            int first = p.Neighbours != 0 ? 2 * unit : unit;
            int second = p.Neighbours != 0 ? first + 1 : unit + p.Half;
            float x = storage.Load(p.Input, from + first);
            float y = storage.Load(p.Input, from + second);
            long at = ((long)position * p.Half) + unit;
            float c = known ? p.Cosines[at] : float.NaN;
            float s = known ? p.Direction * p.Sines[at] : float.NaN;
            storage.Store(p.Output, to + first, (c * x) - (s * y));
            storage.Store(p.Output, to + second, (s * x) + (c * y));
        }
    }
}
