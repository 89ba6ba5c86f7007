using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>How the backward kernels divide shared memory.</summary>
internal struct GradientTiles
{
    public ArrayView<Float4> Queries, Keys, First, Second;
    public ArrayView<float> Weights, Gradients, Rows;

    /// <summary>Of a group that owns so many rows of one side.</summary>
    public static GradientTiles Of<T>(AttentionArgument<T> p, int own, int other)
        where T : unmanaged
    {
        ArrayView<Float4> shared = SharedMemory.GetDynamic<Float4>();
        int head = (AttentionTile.Padded(p.HeadDimension) + AttentionTile.Padding) / 4;
        int value = (AttentionTile.Padded(p.ValueDimension) + AttentionTile.Padding) / 4;
        int pitch = head > value ? head : value, at = 0;
        int pairs = own * (other + AttentionTile.Padding) / 4;
        GradientTiles t = default;
        t.Queries = shared.SubView(at, p.RowTile * pitch);
        at += p.RowTile * pitch;
        t.Keys = shared.SubView(at, p.KeyTile * pitch);
        at += p.KeyTile * pitch;
        t.First = shared.SubView(at, own * head);
        at += own * head;
        t.Second = shared.SubView(at, own * value);
        at += own * value;
        t.Weights = shared.SubView(at, pairs).Cast<float>();
        at += pairs;
        t.Gradients = shared.SubView(at, pairs).Cast<float>();
        at += pairs;
        t.Rows = shared.SubView(at, (3 * own / 4) + 1).Cast<float>();
        return t;
    }

    /// <summary>Clears the results; they never shrink.</summary>
    public readonly void Start(int own)
    {
        for (int i = Group.IdxX; i < First.IntLength; i += Group.DimX) First[i] = default;
        for (int i = Group.IdxX; i < Second.IntLength; i += Group.DimX) Second[i] = default;
        for (int i = Group.IdxX; i < own; i += Group.DimX) Rows[(2 * own) + i] = 1;
    }

    /// <summary>Forgets that there was NaN or ∞.</summary>
    public readonly void Clear()
    {
        if (Group.IdxX == 0) Rows[0] = 0;
    }

    /// <summary>Remembers NaN or ∞ among the rows that are added next.</summary>
    public readonly void Note(bool bad)
    {
        if (bad) Rows[0] = 1;
    }

    /// <summary>results += factors·rows of the other side.</summary>
    public readonly void Add(
        int own, int other, int width, ArrayView<float> factors, ArrayView<Float4> from,
        ArrayView<Float4> results)
    {
        int pitch = (AttentionTile.Padded(width) + AttentionTile.Padding) / 4;
        if (Rows[0] != 0)
        {
            WeightedSum.AddChecked(
                own, other, pitch, factors.Cast<Float4>(), from, results, Rows);
        }
        else
        {
            WeightedSum.Add(own, other, pitch, factors.Cast<Float4>(), from, results, Rows);
        }
    }
}
