using System.Runtime.CompilerServices;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>The additive bias of a call; −∞ hides a key.</summary>
internal readonly unsafe struct AttentionBias(in AttentionInputs inputs)
{
    private readonly byte* address = (byte*)inputs.Bias.Address;
    private readonly DType type = inputs.Bias.DType;

    /// <summary>Strides; 0 broadcasts.</summary>
    public AttentionMaskLayout Layout { get; } = inputs.BiasLayout;

    public bool IsPresent => address != null;

    /// <summary>Index of the element of a query and key 0.</summary>
    public long Offset(int batch, int head, int query) =>
        (batch * Layout.Batch) + (head * Layout.Head) + (query * Layout.Query);

    /// <summary>Adds to columns from <paramref name="from"/> to the row's last visible one.
    /// </summary>
    /// <param name="row">The query, and the visible columns of its tile.</param>
    /// <param name="scores">Scores of the tile's columns.</param>
    /// <param name="from">First column, a multiple of the width.</param>
    /// <param name="scratch">As many floats as a tile has keys.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Add<T>(in AttentionRow row, float* scores, int from, float* scratch)
        where T : struct, ISimdFloat<T>
    {
        int count = row.End - from;
        if (count <= 0) return;
        long first = Offset(row.Batch, row.Head, row.Query) + row.TileKey + from;
        float* bias = (float*)address + first;
        if (type != DType.Float32)
        {
            FloatStorage.Widen(type, address + (first * type.Size()), scratch, count);
            bias = scratch;
        }

        T hidden = T.Broadcast(float.NegativeInfinity);
        scores += from;
        for (int j = 0; j < count; j += T.Width)
        {
            // A bias of −∞ hides, whatever the score: it may be NaN.
            T b = j + T.Width <= count ? T.Load(bias + j) : T.LoadPartial(bias + j, count - j);
            T s = T.Load(scores + j);
            T.Store(T.SelectEqual(b, hidden, hidden, s + b), scores + j);
        }
    }
}
