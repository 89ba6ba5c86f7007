using Transformer.Numerics;

namespace Transformer.Tests.Numerics;

/// <summary>Vector functions against double, at every width, whatever the machine accelerates.
/// </summary>
public unsafe class SimdMathTests
{
    private const int Samples = 100_000;

    private interface IFunction
    {
        static abstract T Apply<T>(T x) where T : struct, ISimdFloat<T>;
    }

    [Fact]
    public void Exp_IsWithin2Ulp() => Dense<ExpFunction>(-87.3, 88.7, Math.Exp, maxUlp: 2);

    [Fact]
    public void ExpNonPositive_IsWithin2Ulp() =>
        Dense<ExpNonPositiveFunction>(-87.3, 0, Math.Exp, maxUlp: 2);

    /// <summary>Over the floats themselves instead of the numbers: as many of each binade, down to
    /// the smallest.</summary>
    [Fact]
    public void Bounds_HoldOverTheFloats()
    {
        Strided<ExpFunction>(88.7f, Math.Exp, maxUlp: 2);
        Strided<ExpFunction>(-87.3f, Math.Exp, maxUlp: 2);
        Strided<ExpNonPositiveFunction>(-87.3f, Math.Exp, maxUlp: 2);
        foreach (float limit in new[] { 8f, -8f })
        {
            Strided<GeluFunction>(limit, x => x * Cdf(x), maxAbsolute: 6e-7);
            Strided<GeluTanhFunction>(
                limit, x => 0.5 * x * (1 + Math.Tanh(U(x))), maxAbsolute: 6e-7);
        }

        Strided<GeluFunction>(-1e30f, x => x * Cdf(x), maxAbsolute: 6e-7);
        Strided<GeluTanhFunction>(
            -1e30f, x => 0.5 * x * (1 + Math.Tanh(U(x))), maxAbsolute: 6e-7);
    }

    /// <summary>Every 257th float of the whole range; four at once give the same bits.</summary>
    [Fact]
    public void ExpNonPositive_IsWithin2UlpOverAllExponents()
    {
        float[] x = new float[1 << 16];
        int word = BitConverter.SingleToInt32Bits(0f), last = BitConverter.SingleToInt32Bits(87.3f);
        while (word <= last)
        {
            for (int i = 0; i < x.Length; i++, word += 257)
            {
                x[i] = -BitConverter.Int32BitsToSingle(Math.Min(word, last));
            }

            Compare<ExpNonPositiveFunction>(x, Math.Exp, maxUlp: 2);
            Compare<ExpNonPositiveFourFunction>(x, Math.Exp, maxUlp: 2);
        }
    }

    [Fact]
    public void Tanh_IsWithinItsBound()
    {
        Dense<TanhFunction>(-11, 11, Math.Tanh, maxUlp: 2.2);
        Dense<TanhFunction>(-1e-3, 1e-3, Math.Tanh, maxUlp: 2.2);
        Dense<TanhDerivativeFunction>(
            -40, 40, x => 1 / (Math.Cosh(x) * Math.Cosh(x)), maxUlp: 6);
    }

    /// <summary>Every float of the range where the error is largest: the series ends at 0.3, and
    /// above it 1 − e cancels most.</summary>
    [Fact]
    public void Tanh_IsWithinItsBoundOnEveryFloatWhereItIsLeastExact()
    {
        float[] x = new float[1 << 16];
        int end = BitConverter.SingleToInt32Bits(0.75f);
        for (int first = BitConverter.SingleToInt32Bits(0.25f); first < end; first += x.Length)
        {
            for (int i = 0; i < x.Length; i++) x[i] = BitConverter.Int32BitsToSingle(first + i);
            Compare<TanhFunction>(x, Math.Tanh, maxUlp: 2.2);
        }
    }

    [Fact]
    public void Erf_IsWithinItsBound()
    {
        Dense<ErfFunction>(-5, 5, Erf, maxUlp: 7);
        Dense<ErfFunction>(-1e-3, 1e-3, Erf, maxUlp: 7);
    }

    [Fact]
    public void Gelu_IsWithinItsBound()
    {
        Dense<GeluFunction>(-8, 8, x => x * Cdf(x), maxAbsolute: 6e-7);
        Dense<GeluDerivativeFunction>(-8, 8, x => Cdf(x) + x * Pdf(x), maxAbsolute: 3e-7);
        Dense<GeluValueFunction>(-8, 8, x => x * Cdf(x), maxAbsolute: 6e-7);
    }

    [Fact]
    public void GeluTanh_IsWithinItsBound()
    {
        Dense<GeluTanhFunction>(-8, 8, x => 0.5 * x * (1 + Math.Tanh(U(x))), maxAbsolute: 6e-7);
        Dense<GeluTanhDerivativeFunction>(-8, 8, GeluTanhDerivative, maxAbsolute: 1e-6);
    }

    [Fact]
    public void Silu_IsWithinItsBound()
    {
        foreach (float limit in new[] { 88f, -87f })
            Strided<SiluFunction>(limit, x => x * Sigmoid(x), maxUlp: 6);
        Dense<SiluFunction>(-88, 8, x => x * Sigmoid(x), maxAbsolute: 1e-6);
        Dense<SiluDerivativeFunction>(
            -8, 8, x => Sigmoid(x) * (1 + (x * Sigmoid(-x))), maxAbsolute: 4e-7);
    }

    [Fact]
    public void SpecialValues()
    {
        const float inf = float.PositiveInfinity;
        Special<ExpFunction>((0, 1), (inf, inf), (-inf, 0), (-87.34f, 0), (88.73f, inf));
        Special<ExpFunction>((-200, 0), (200, inf), (-0f, 1));
        Special<ExpNonPositiveFunction>((0, 1), (-inf, 0), (-87.34f, 0), (-1e30f, 0));
        Special<TanhDerivativeFunction>((0, 1), (inf, 0), (-inf, 0), (1e30f, 0));
        Special<TanhFunction>((0, 0), (inf, 1), (-inf, -1), (1e30f, 1), (-50, -1));
        Assert.True(float.IsNegative(One<Simd512, TanhFunction>(-0f)));
        Special<ErfFunction>(2.4e-7f, (0, 0), (inf, 1), (-inf, -1), (1e30f, 1), (-50, -1));
        Special<GeluFunction>((0, 0), (inf, inf), (1e30f, 1e30f), (40, 40));
        Special<GeluTanhFunction>((0, 0), (inf, inf), (1e30f, 1e30f), (40, 40));
        Special<SiluFunction>((0, 0), (inf, inf), (1e30f, 1e30f), (40, 40));
        Special<SiluDerivativeFunction>(
            (0, 0.5f), (inf, 1), (-inf, 0), (1e30f, 1), (-1e30f, 0), (40, 1));
        Special<GeluDerivativeFunction>((0, 0.5f), (inf, 1), (1e30f, 1), (40, 1));
        Special<GeluTanhDerivativeFunction>((0, 0.5f), (inf, 1), (1e30f, 1), (40, 1));
    }

    private static double Erf(double x) => 2 * Cdf(x * Math.Sqrt(2)) - 1;

    private static double Cdf(double x) => ScalarMath.NormalCdf(x);

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    private static double Pdf(double x) => Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI);

    private static double U(double x) => Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x);

    private static double GeluTanhDerivative(double x)
    {
        double tanh = Math.Tanh(U(x));
        double slope = Math.Sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x);
        return 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh * tanh) * slope;
    }

    private static void Special<TFunction>(params (float X, float Expected)[] values)
        where TFunction : IFunction => Special<TFunction>(0, values);

    private static void Special<TFunction>(
        float tolerance, params (float X, float Expected)[] values)
        where TFunction : IFunction
    {
        foreach ((float x, float expected) in values)
        {
            foreach (float actual in new[]
                {
                    One<Simd512, TFunction>(x), One<Simd256, TFunction>(x),
                    One<Simd128, TFunction>(x),
                })
            {
                Assert.True(
                    actual == expected || MathF.Abs(actual - expected) <= tolerance,
                    $"{typeof(TFunction).Name}({x}) is {actual}; expected {expected}");
            }
        }

        Assert.True(float.IsNaN(One<Simd512, TFunction>(float.NaN)));
        Assert.True(float.IsNaN(One<Simd256, TFunction>(float.NaN)));
        Assert.True(float.IsNaN(One<Simd128, TFunction>(float.NaN)));
    }

    private static float One<T, TFunction>(float x)
        where T : struct, ISimdFloat<T>
        where TFunction : IFunction
    {
        float* lanes = stackalloc float[16];
        T.Store(TFunction.Apply(T.Broadcast(x)), lanes);
        return lanes[T.Width - 1];
    }

    private static void Dense<TFunction>(
        double low, double high, Func<double, double> exact,
        double maxUlp = double.PositiveInfinity, double maxAbsolute = double.PositiveInfinity)
        where TFunction : IFunction
    {
        float[] x = new float[Samples];
        for (int i = 0; i < Samples; i++)
        {
            x[i] = (float)(low + (high - low) * i / (Samples - 1));
        }

        Compare<TFunction>(x, exact, maxUlp, maxAbsolute);
    }

    /// <summary>Every 16,381st float from 0 to a limit; the stride is prime.</summary>
    private static void Strided<TFunction>(
        float limit, Func<double, double> exact, double maxUlp = double.PositiveInfinity,
        double maxAbsolute = double.PositiveInfinity)
        where TFunction : IFunction
    {
        const int stride = 16381;
        int last = BitConverter.SingleToInt32Bits(MathF.Abs(limit));
        int count = last / stride;
        float[] x = new float[count - (count % 16)];
        for (int i = 0; i < x.Length; i++)
        {
            x[i] = MathF.CopySign(BitConverter.Int32BitsToSingle(last - (i * stride)), limit);
        }

        Compare<TFunction>(x, exact, maxUlp, maxAbsolute);
    }

    private static void Compare<TFunction>(
        float[] x, Func<double, double> exact, double maxUlp = double.PositiveInfinity,
        double maxAbsolute = double.PositiveInfinity)
        where TFunction : IFunction
    {
        double[] expected = Array.ConvertAll(x, value => exact(value));
        foreach (float[] y in new[]
            {
                All<Simd512, TFunction>(x), All<Simd256, TFunction>(x), All<Simd128, TFunction>(x),
            })
        {
            for (int i = 0; i < x.Length; i++)
            {
                double error = Math.Abs(y[i] - expected[i]);
                double ulp = MathF.BitIncrement(MathF.Abs((float)expected[i]))
                    - MathF.Abs((float)expected[i]);
                if (error <= maxAbsolute && (error <= maxUlp * ulp || error < 1e-44)) continue;
                Assert.Fail(
                    $"{typeof(TFunction).Name}({x[i]:R}) is {y[i]:R}; expected {expected[i]:R}: " +
                    $"{error:G3}, {error / ulp:F2} ulp");
            }
        }
    }

    private static float[] All<T, TFunction>(float[] x)
        where T : struct, ISimdFloat<T>
        where TFunction : IFunction
    {
        float[] y = new float[x.Length];
        fixed (float* from = x, to = y)
        {
            for (int i = 0; i < x.Length; i += T.Width)
            {
                T.Store(TFunction.Apply(T.Load(from + i)), to + i);
            }
        }

        return y;
    }

    private readonly struct ExpFunction : IFunction
    {
        public static T Apply<T>(T x) where T : struct, ISimdFloat<T> => SimdMath.Exp(x);
    }

    private readonly struct ExpNonPositiveFunction : IFunction
    {
        public static T Apply<T>(T x) where T : struct, ISimdFloat<T> =>
            SimdMath.ExpNonPositive(x);
    }

    private readonly struct ExpNonPositiveFourFunction : IFunction
    {
        public static T Apply<T>(T x) where T : struct, ISimdFloat<T>
        {
            T a = x, b = x, c = x, d = x;
            SimdMath.ExpNonPositive(ref a, ref b, ref c, ref d);
            // NaN, which fails every comparison, unless all four are what one alone is.
            T nan = T.Broadcast(float.NaN), one = SimdMath.ExpNonPositive(x);
            T same = T.SelectEqual(a, one, T.SelectEqual(b, one, one, nan), nan);
            return T.SelectEqual(c, one, T.SelectEqual(d, one, same, nan), nan);
        }
    }

    private readonly struct TanhFunction : IFunction
    {
        public static T Apply<T>(T x) where T : struct, ISimdFloat<T> => SimdMath.Tanh(x);
    }

    private readonly struct ErfFunction : IFunction
    {
        public static T Apply<T>(T x) where T : struct, ISimdFloat<T> => SimdMath.Erf(x);
    }

    private readonly struct GeluFunction : IFunction
    {
        public static T Apply<T>(T x) where T : struct, ISimdFloat<T> => SimdMath.Gelu(x);
    }

    private readonly struct GeluDerivativeFunction : IFunction
    {
        public static T Apply<T>(T x) where T : struct, ISimdFloat<T> =>
            SimdMath.GeluDerivative(x, out _);
    }

    private readonly struct GeluValueFunction : IFunction
    {
        public static T Apply<T>(T x) where T : struct, ISimdFloat<T>
        {
            _ = SimdMath.GeluDerivative(x, out T value);
            return value;
        }
    }

    private readonly struct GeluTanhFunction : IFunction
    {
        public static T Apply<T>(T x) where T : struct, ISimdFloat<T> => SimdMath.GeluTanh(x);
    }

    private readonly struct SiluFunction : IFunction
    {
        public static T Apply<T>(T x) where T : struct, ISimdFloat<T> => SimdMath.Silu(x);
    }

    private readonly struct SiluDerivativeFunction : IFunction
    {
        public static T Apply<T>(T x) where T : struct, ISimdFloat<T> =>
            SimdMath.SiluDerivative(x, out _);
    }

    private readonly struct TanhDerivativeFunction : IFunction
    {
        public static T Apply<T>(T x) where T : struct, ISimdFloat<T> =>
            SimdMath.TanhDerivative(x, out _);
    }

    private readonly struct GeluTanhDerivativeFunction : IFunction
    {
        public static T Apply<T>(T x) where T : struct, ISimdFloat<T> =>
            SimdMath.GeluTanhDerivative(x, out _);
    }
}
