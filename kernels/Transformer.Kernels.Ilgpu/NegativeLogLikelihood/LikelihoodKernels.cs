using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.NegativeLogLikelihood;

/// <summary>A call; absent tensors are empty.</summary>
internal struct LikelihoodArgument<T> where T : unmanaged
{
    public ArrayView<T> LogProbabilities, Weights, Gradient;
    public ArrayView<int> Labels;
    public ArrayView<float> Losses, Scale;
    public long Count;
    public int Classes, Inner, Ignored, Ignores;
}

/// <summary>loss[o, i] = −w[label]·p[o, label, i], 0 where the label is ignored; backward:
/// gradient[o, c, i] = −s·w[c] at the label c, 0 elsewhere, s from CrossEntropyKernels.Reduce.
/// </summary>
/// <remarks>
/// <para>Shapes: p, gradient [outer, classes, inner]; w [classes]; labels, losses [outer, inner];
/// count = outer·inner.</para>
/// <para>Work: a thread a label; backward: a group for one o, a thread an element of it. Shared
/// memory: none.</para>
/// <para>Bytes: one element of p a label; backward writes the gradient once, labels come from
/// cache.</para>
/// <para>Numerics: float. A label that is neither a class nor ignored gives NaN: its loss, and its
/// gradient at class 0; nothing is read or written out of bounds.</para>
/// </remarks>
internal static class LikelihoodKernels
{
    public static void ThreadPerLabel<T, TStorage>(LikelihoodArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        TStorage storage = default;
        long stride = (long)Grid.DimX * Group.DimX;
        long i = ((long)Grid.IdxX * Group.DimX) + Group.IdxX;
        for (; i < p.Count; i += stride)
        {
            int label = p.Labels[i];
            float loss = 0;
            if (p.Ignores == 0 || label != p.Ignored)
            {
                loss = float.NaN;
                if (label >= 0 && label < p.Classes)
                {
                    long at = (((i / p.Inner * p.Classes) + label) * p.Inner) + (i % p.Inner);
                    float weight = p.Weights.Length > 0 ? storage.Load(p.Weights, label) : 1;
                    loss = -weight * storage.Load(p.LogProbabilities, at);
                }
            }

            p.Losses[i] = loss;
        }
    }

    public static void GradientGroupPerOuter<T, TStorage>(LikelihoodArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        TStorage storage = default;
        int elements = p.Classes * p.Inner;
        long first = (long)Grid.IdxX * elements, labels = (long)Grid.IdxX * p.Inner;
        float scale = p.Scale[0];
        for (int i = Group.IdxX; i < elements; i += Group.DimX)
        {
            int place = i / p.Inner, label = p.Labels[labels + (i % p.Inner)];
            float value = 0;
            if (p.Ignores == 0 || label != p.Ignored)
            {
                if (label == place)
                    value = -scale * (p.Weights.Length > 0 ? storage.Load(p.Weights, label) : 1);
                else if (place == 0 && (label < 0 || label >= p.Classes)) value = float.NaN;
            }

            storage.Store(p.Gradient, first + i, value);
        }
    }
}
