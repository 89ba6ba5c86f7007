namespace Transformer.Kernels.Ilgpu.Device;

/// <summary>Activations and their derivatives; numbered as Transformer.Ops.Activation. The rational
/// approximation of the normal distribution and all limits are those of SimdMath.Activation.
/// </summary>
internal static class Activate
{
    public const int None = 0, Relu = 1, Gelu = 2, GeluTanh = 3, Tanh = 4, Silu = 5;

    /// <summary>f(x).</summary>
    public static float Value(int activation, float x)
    {
        if (activation == Relu) return x <= 0 ? 0 : x;
        if (activation == Gelu) return x * NormalCdf(x);
        if (activation == Tanh) return FloatMath.Tanh(x);
        if (activation == Silu) return x * Sigmoid(x);
        return activation == GeluTanh ? x * Gate(x) : x;
    }

    /// <summary>f′(x).</summary>
    public static float Derivative(int activation, float x)
    {
        if (activation == Relu) return x <= 0 ? 0 : 1;
        if (activation == Gelu)
        {
            // The limited magnitude keeps ∞·0 away.
            float near = Near(x, 13.3f);
            return NormalCdf(x) + (near * (FloatMath.Exp(-0.5f * near * near) * 0.398942280f));
        }

        if (activation == GeluTanh)
        {
            float near = Near(x, 10), gate = Gate(x);
            float slope = (near * near * 0.2140644488f) + 1.595769122f;
            return gate + (near * slope * (Power(near) * gate * gate));
        }

        if (activation == Tanh)
        {
            // 1 − tanh² without its cancellation: 4e/(1 + e)², e = e^(−2|x|).
            float near = Near(x, 20);
            float e = FloatMath.Exp(near < 0 ? 2 * near : -2 * near), share = 1 / (1 + e);
            return 4 * e * share * share;
        }

        if (activation == Silu)
        {
            float near = Near(x, 100), gate = Sigmoid(x);
            return gate + (near * (gate * Sigmoid(-near)));
        }

        return 1;
    }

    /// <summary>f of four numbers.</summary>
    public static Float4 Value(int activation, Float4 x) => new(
        Value(activation, x.X), Value(activation, x.Y), Value(activation, x.Z),
        Value(activation, x.W));

    /// <summary>f′ of four numbers.</summary>
    public static Float4 Derivative(int activation, Float4 x) => new(
        Derivative(activation, x.X), Derivative(activation, x.Y), Derivative(activation, x.Z),
        Derivative(activation, x.W));

    // Φ(x): with a = |x|, Φ(−a) = e^(−a²/2)·P(a)/Q(a), and Φ(a) = 1 − Φ(−a).
    private static float NormalCdf(float x)
    {
        float a = Near(x, 13.3f);
        a = a < 0 ? -a : a;
        float p = (a * 4.012042555e-3f) + 3.992891052e-2f;
        p = (p * a) + 0.1811421369f;
        p = (p * a) + 0.4354628365f;
        p = (p * a) + 0.5000000025f;
        float q = (a * 1.005655392e-2f) + 0.1000944019f;
        q = (q * a) + 0.4639458728f;
        q = (q * a) + 1.193798392f;
        q = (q * a) + 1.668810588f;
        q = (q * a) + 1;
        float tail = FloatMath.Exp(-0.5f * a * a) * p / q;
        return x < 0 ? tail : 1 - tail;
    }

    // σ(2u) = 1/(1 + e^(−2u)), u = √(2/π)(x + 0.044715x³), and 0 below −10.
    private static float Gate(float x) => x < -10 ? 0 : 1 / (1 + Power(Near(x, 10)));

    // e^(−2u).
    private static float Power(float near) => FloatMath.Exp(
        near * ((near * near * -0.0713548163f) - 1.595769122f)); // −2√(2/π), times 0.044715

    // σ(x): with e = e^(−|x|), 1/(1 + e) or e/(1 + e).
    private static float Sigmoid(float x)
    {
        float e = FloatMath.Exp(x < 0 ? x : -x), near = 1 / (1 + e);
        return x < 0 ? e * near : near;
    }

    // NaN stays.
    private static float Near(float x, float limit) => x > limit ? limit : x < -limit ? -limit : x;
}
