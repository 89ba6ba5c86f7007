using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.AdamW;

/// <summary>A step.</summary>
internal struct AdamWArgument<T> where T : unmanaged
{
    public ArrayView<T> Parameter, Gradient;
    public ArrayView<float> First, Second, GradientScale;
    public long Length;
    public float Beta1, Rest1, Beta2, Rest2; // rest = 1 − beta
    public float Keep, Rate, RootCorrection, Epsilon; // 1 − η·λ; η/(1 − β₁ᵗ); √(1 − β₂ᵗ)
    public int Aligned;
}

/// <summary>With g = gradient·gradient_scale: m ← β₁·m + (1 − β₁)·g; v ← β₂·v + (1 − β₂)·g²;
/// parameter ← parameter·(1 − η·λ) − η/(1 − β₁ᵗ)·m / (√(v/(1 − β₂ᵗ)) + ε).</summary>
/// <remarks>
/// <para>Shapes: [length] each; moments in float whatever the parameter's type; gradient_scale [1].
/// </para>
/// <para>Work: a thread takes four elements at a time. Shared memory: none.</para>
/// <para>Bytes: parameter and moments read and written once, gradient read once.</para>
/// <para>Numerics: float; the host makes the coefficients in double; the new moments enter the step
/// unrounded.</para>
/// <para>Source: Loshchilov, Hutter 2019, algorithm 2, in PyTorch's form.</para>
/// </remarks>
internal static class AdamWKernel
{
    public static void ThreadPerFour<T, TStorage>(AdamWArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        float scale = p.GradientScale.Length > 0 ? p.GradientScale[0] : 1;
        long stride = (long)Grid.DimX * Group.DimX;
        long four = ((long)Grid.IdxX * Group.DimX) + Group.IdxX;
        for (; four * 4 < p.Length; four += stride)
        {
            long start = four * 4, left = p.Length - start;
            int count = left < 4 ? (int)left : 4, whole = count == 4 ? p.Aligned : 0;
            Float4 g = scale * Rows.Load<T, TStorage>(p.Gradient, start, 0, count, whole);
            Float4 x = Rows.Load<T, TStorage>(p.Parameter, start, 0, count, whole);
            Float4 m = Rows.Load<float, SingleStorage>(p.First, start, 0, count, whole);
            Float4 v = Rows.Load<float, SingleStorage>(p.Second, start, 0, count, whole);
            m = (p.Beta1 * m) + (p.Rest1 * g);
            v = (p.Beta2 * v) + (p.Rest2 * (g * g));
            x = (p.Keep * x) - (p.Rate * new Float4(
                Step(p, m.X, v.X), Step(p, m.Y, v.Y), Step(p, m.Z, v.Z), Step(p, m.W, v.W)));
            Rows.Store<T, TStorage>(p.Parameter, start, 0, count, whole, x);
            Rows.Store<float, SingleStorage>(p.First, start, 0, count, whole, m);
            Rows.Store<float, SingleStorage>(p.Second, start, 0, count, whole, v);
        }
    }

    private static float Step<T>(AdamWArgument<T> p, float m, float v) where T : unmanaged =>
        m / ((MathF.Sqrt(v) / p.RootCorrection) + p.Epsilon);
}
