using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.Softmax;

/// <summary>Of some elements of a line: their maximum, and Σ e^(x − base). NaN or +∞ makes the sum
/// NaN.</summary>
internal struct LineSum
{
    public float Maximum, Sum;

    public static LineSum Empty()
    {
        LineSum line = default;
        line.Maximum = float.NegativeInfinity;
        return line;
    }

    public void Add(float x)
    {
        Raise(x > Maximum ? x : Maximum);
        Sum += FloatMath.Exp(x - Base(Maximum));
    }

    /// <summary>Adds the first <paramref name="count"/> of four.</summary>
    public void Add(Float4 x, int count)
    {
        float none = float.NegativeInfinity;
        if (count < 4) x.W = none;
        if (count < 3) x.Z = none;
        if (count < 2) x.Y = none;
        float peak = x.X > Maximum ? x.X : Maximum;
        peak = x.Y > peak ? x.Y : peak;
        peak = x.Z > peak ? x.Z : peak;
        Raise(x.W > peak ? x.W : peak);
        x -= Float4.All(Base(Maximum));
        Sum += new Float4(FloatMath.Exp(x.X), FloatMath.Exp(x.Y), FloatMath.Exp(x.Z),
            FloatMath.Exp(x.W)).Sum();
    }

    /// <summary>Scales the sum to another maximum. A sum without a maximum is 0, or NaN.</summary>
    public void Raise(float to)
    {
        if (to != Maximum && Maximum > float.NegativeInfinity)
            Sum *= FloatMath.Exp(Maximum - Base(to));
        Maximum = to;
    }

    /// <summary>Over a group; a line of nothing but −∞ has the sum NaN.</summary>
    public void Merge(ArrayView<float> shared)
    {
        Raise(GroupSum.Largest(Maximum, shared));
        Sum = GroupSum.One(Sum, shared);
        Close();
    }

    /// <summary>Makes the sum of a line of nothing but −∞ NaN.</summary>
    public void Close()
    {
        if (Maximum == float.NegativeInfinity) Sum = float.NaN;
    }

    /// <summary>What the closed line makes of its elements.</summary>
    public readonly LineResult Results(int logarithm)
    {
        LineResult result;
        result.Maximum = Maximum;
        result.LogSum = FloatMath.Log(Sum);
        result.Inverse = 1 / Sum;
        result.Logarithm = logarithm;
        return result;
    }

    // What is subtracted: the maximum, or 0 where there is none yet: −∞ − −∞ does not occur.
    private static float Base(float maximum) =>
        maximum == float.NegativeInfinity ? 0 : maximum;
}

/// <summary>What a line's softmax, or its logarithm, is made of.</summary>
internal struct LineResult
{
    public float Maximum, LogSum, Inverse;
    public int Logarithm;

    public readonly float Of(float x) =>
        Logarithm != 0 ? x - Maximum - LogSum : FloatMath.Exp(x - Maximum) * Inverse;

    public readonly Float4 Of(Float4 x) => new(Of(x.X), Of(x.Y), Of(x.Z), Of(x.W));
}
