using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.SoftmaxCrossEntropy;

/// <summary>A call; absent tensors are empty.</summary>
internal struct CrossEntropyArgument<T> where T : unmanaged
{
    public ArrayView<T> Logits, Weights, Gradient;
    public ArrayView<int> Labels;
    public ArrayView<float> Losses, LogSumExp, LossGradient, Loss, Scale;
    public int Rows, Classes, Ignored, Ignores, Mean, Aligned;
    public float Smoothing;
}

/// <summary>Cross entropy of softmax, with class weights w and smoothing ε.</summary>
/// <remarks>
/// <para>With lse = m + ln Σ e^(x − m) of a row's logits x and n[c] = lse − x[c]: loss = (1 −
/// ε)·w[label]·n[label] + ε/classes·Σ w[c]·n[c], 0 where the label is ignored. Backward:
/// gradient[c] = s·(((1 − ε)·w[label] + ε/classes·Σ w)·e^(x[c] − lse) − (1 − ε)·w[label]·[c =
/// label] − ε/classes·w[c]). Reduce: s = 1/Σ w[label] of the labels that count for the mean, 1 for
/// the sum; loss = s·Σ losses.</para>
/// <para>Shapes: logits, gradient [rows, classes]; w [classes]; labels, losses, lse [rows]; loss
/// [1]; scale [2]: s times the loss's gradient, Σ w.</para>
/// <para>Work: a group a row; one group reduces. Shared memory: two floats a warp; Reduce: a double
/// a thread.</para>
/// <para>Bytes: forward reads the logits twice (the second time from cache), backward reads and
/// writes them once.</para>
/// <para>Numerics: float; the maximum subtracted, Σ w·(m − x) has no large terms; Reduce in double.
/// A label that is neither a class nor ignored gives NaN; nothing is read out of bounds.</para>
/// <para>The gradient may be the logits. Source: Szegedy et al. 2016, §7 (smoothing).</para>
/// </remarks>
internal static class CrossEntropyKernels
{
    public static void GroupPerRow<T, TStorage>(CrossEntropyArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        ArrayView<float> shared = SharedMemory.GetDynamic<float>();
        TStorage storage = default;
        long row = (long)Grid.IdxX * p.Classes;
        int begin = Group.IdxX * 4, step = Group.DimX * 4, classes = p.Classes;
        float top = float.NegativeInfinity;
        for (int i = begin; i < classes; i += step)
        {
            Float4 x = Rows.Load<T, TStorage>(p.Logits, row, i, classes, p.Aligned);
            top = x.X > top ? x.X : top;
            top = i + 1 < classes && x.Y > top ? x.Y : top;
            top = i + 2 < classes && x.Z > top ? x.Z : top;
            top = i + 3 < classes && x.W > top ? x.W : top;
        }

        top = GroupSum.Largest(top, shared);
        float sum = 0, weights = 0, distance = 0;
        for (int i = begin; i < classes; i += step)
        {
            Float4 x = Rows.Load<T, TStorage>(p.Logits, row, i, classes, p.Aligned);
            x -= Float4.All(top);
            sum += new Float4(FloatMath.Exp(x.X), FloatMath.Exp(x.Y), FloatMath.Exp(x.Z),
                FloatMath.Exp(x.W)).First(classes - i).Sum();
            if (p.Smoothing == 0) continue;
            Float4 w = Weights<T, TStorage>(p, i);
            weights += w.Sum();
            distance -= (w * x).First(classes - i).Sum();
        }

        sum = GroupSum.One(sum, shared);
        if (p.Smoothing != 0) GroupSum.Two(ref weights, ref distance, shared);
        if (Group.IdxX != 0) return;
        float log = top == float.NegativeInfinity ? float.NaN : FloatMath.Log(sum);
        p.LogSumExp[Grid.IdxX] = top + log;
        int label = p.Labels[Grid.IdxX];
        bool ignored = p.Ignores != 0 && label == p.Ignored;
        float loss = ignored ? 0 : float.NaN;
        if (!ignored && label >= 0 && label < classes)
        {
            float weight = p.Weights.Length > 0 ? storage.Load(p.Weights, label) : 1;
            loss = (1 - p.Smoothing) * weight * (top - storage.Load(p.Logits, row + label) + log);
            if (p.Smoothing != 0)
                loss += p.Smoothing / classes * ((weights * log) + distance);
        }

        p.Losses[Grid.IdxX] = loss;
    }

    public static void GradientGroupPerRow<T, TStorage>(CrossEntropyArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        TStorage storage = default;
        long row = (long)Grid.IdxX * p.Classes;
        int begin = Group.IdxX * 4, step = Group.DimX * 4, classes = p.Classes;
        int label = p.Labels[Grid.IdxX];
        bool ignored = p.Ignores != 0 && label == p.Ignored;
        bool counts = !ignored && label >= 0 && label < classes;
        float elsewhere = p.Smoothing / classes, atLabel = 1 - p.Smoothing;
        if (counts && p.Weights.Length > 0) atLabel *= storage.Load(p.Weights, label);
        float scale = p.Scale[0], factor = atLabel + (elsewhere * p.Scale[1]);
        float logSum = p.LogSumExp[Grid.IdxX];
        for (int i = begin; i < classes; i += step)
        {
            Float4 x = Float4.All(ignored ? 0 : float.NaN);
            if (counts)
            {
                x = Rows.Load<T, TStorage>(p.Logits, row, i, classes, p.Aligned) -
                    Float4.All(logSum);
                x = factor * new Float4(FloatMath.Exp(x.X), FloatMath.Exp(x.Y),
                    FloatMath.Exp(x.Z), FloatMath.Exp(x.W));
                if (elsewhere != 0) x -= elsewhere * Weights<T, TStorage>(p, i);
                int at = label - i;
                x = scale * (x - (atLabel * new Float4(
                    at == 0 ? 1 : 0, at == 1 ? 1 : 0, at == 2 ? 1 : 0, at == 3 ? 1 : 0)));
            }

            Rows.Store<T, TStorage>(p.Gradient, row, i, classes, p.Aligned, x);
        }
    }

    /// <summary>One group; the loss where there are losses, the scales where they are asked for.
    /// </summary>
    public static void Reduce<T, TStorage>(CrossEntropyArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        ArrayView<double> shared = SharedMemory.GetDynamic<float>().Cast<double>();
        TStorage storage = default;
        double counted = 0, losses = 0, total = 0;
        for (int i = Group.IdxX; i < p.Rows; i += Group.DimX)
        {
            int label = p.Labels[i];
            if (p.Losses.Length > 0) losses += p.Losses[i];
            if (p.Ignores != 0 && label == p.Ignored) continue;
            float weight = 1;
            if (label < 0 || label >= p.Classes) weight = float.NaN;
            else if (p.Weights.Length > 0) weight = storage.Load(p.Weights, label);
            counted += weight;
        }

        for (int i = Group.IdxX; i < p.Classes && p.Scale.Length > 0; i += Group.DimX)
            total += p.Weights.Length > 0 ? storage.Load(p.Weights, i) : 1;
        counted = GroupSum.OfDoubles(counted, shared);
        losses = GroupSum.OfDoubles(losses, shared);
        total = GroupSum.OfDoubles(total, shared);
        if (Group.IdxX != 0) return;
        double scale = p.Mean == 0 ? 1 : counted == 0 ? 0 : 1 / counted;
        // A wrong label spoils the sum, too.
        if (p.Mean == 0 && !(counted >= 0)) scale = double.NaN;
        if (p.Loss.Length > 0) p.Loss[0] = (float)(scale * losses);
        if (p.Scale.Length == 0) return;
        if (p.LossGradient.Length > 0) scale *= p.LossGradient[0];
        p.Scale[0] = (float)scale;
        p.Scale[1] = (float)total;
    }

    // Zeros past the end.
    private static Float4 Weights<T, TStorage>(CrossEntropyArgument<T> p, int start)
        where T : unmanaged where TStorage : struct, IStorage<T> => p.Weights.Length > 0
        ? Rows.Load<T, TStorage>(p.Weights, 0, start, p.Classes, p.Aligned)
        : Float4.All(1).First(p.Classes - start);
}
