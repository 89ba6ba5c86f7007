using ILGPU;

namespace Transformer.Kernels.Ilgpu.Device;

/// <summary>Functions of floats from additions, products and quotients alone: the same to some ulp
/// on every device, whatever its fast units give. Polynomials and limits are those of SimdMath.
/// </summary>
internal static class FloatMath
{
    /// <summary>eˣ; 0 below −87.336, ∞ above 88.7228, NaN for NaN.</summary>
    public static float Exp(float x)
    {
        float near = x > 88.8f ? 88.8f : x < -87.4f ? -87.4f : x;
        // Rounds to an integer: what is added leaves no room for digits behind the point.
        float n = ((near * 1.44269504f) + 12582912f) - 12582912f;
        float r = (near - (n * 0.693359375f)) + (n * 2.12194440e-4f);
        float q = (r * 1.38145379e-3f) + 8.36874532e-3f;
        q = (q * r) + 4.166839083e-2f;
        q = (q * r) + 0.166665204f;
        q = (q * r) + 0.4999999343f;
        q = (q * r * r) + r + 1;
        int exponent = (int)n, half = exponent / 2;
        float result = q * PowerOfTwo(half) * PowerOfTwo(exponent - half);
        if (x < -87.336f) return 0;
        return x > 88.7228f ? float.PositiveInfinity : result;
    }

    /// <summary>tanh x: an odd polynomial near 0, the exponential elsewhere.</summary>
    public static float Tanh(float x)
    {
        float a = x < 0 ? -x : x;
        if (a < 0.25f)
        {
            // The series to x⁹; the next term is below 2⁻²⁷ of the sum.
            float s = x * x;
            float p = (s * 2.18694885e-2f) - 5.39682540e-2f;
            p = (p * s) + 0.133333333f;
            p = (p * s) - 0.333333333f;
            return x + (x * s * p);
        }

        float power = Exp(-2 * (a > 20 ? 20 : a));
        float result = (1 - power) / (1 + power);
        return x < 0 ? -result : result;
    }

    /// <summary>ln x; −∞ for 0, NaN below it.</summary>
    public static float Log(float x)
    {
        if (!(x > 0)) return x == 0 ? float.NegativeInfinity : float.NaN;
        if (x > float.MaxValue) return x;
        bool small = x < 1.17549435e-38f; // a subnormal number
        uint bits = Interop.FloatAsInt(small ? x * 8388608 : x);
        int exponent = (int)(bits >> 23) - (small ? 150 : 127);
        float m = Interop.IntAsFloat((bits & 0x7FFFFF) | 0x3F800000);
        if (m > 1.41421356f)
        {
            m *= 0.5f;
            exponent++;
        }

        // ln m = 2·artanh(s), s = (m − 1)/(m + 1), |s| ≤ 0.172: the series to s¹¹.
        float s = (m - 1) / (m + 1), t = s * s;
        float p = (t * 0.181818182f) + 0.222222222f;
        p = (p * t) + 0.285714286f;
        p = (p * t) + 0.4f;
        p = (p * t) + 0.666666667f;
        return (exponent * 0.693359375f) +
            ((exponent * -2.12194440e-4f) + ((s * t * p) + (2 * s)));
    }

    private static float PowerOfTwo(int exponent) =>
        Interop.IntAsFloat((uint)(exponent + 127) << 23);
}
