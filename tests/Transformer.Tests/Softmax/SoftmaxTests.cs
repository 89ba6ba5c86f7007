using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tests.Support;
using Kernels = Transformer.Ops;

namespace Transformer.Tests.Softmax;

/// <summary>Softmax on both CPU backends: values by hand, and what is not finite.</summary>
public class SoftmaxTests : KernelTest
{
    private const float Infinity = float.PositiveInfinity;

    public static TheoryData<string, int> BackendsAndInner => new()
    {
        { "reference", 1 }, { "reference", 3 }, { "simd", 1 }, { "simd", 3 }, { "simd", 70 },
    };

    [Fact]
    public void Reference_ByHand()
    {
        // e⁰ : e^ln2 : e^ln5 = 1 : 2 : 5.
        TestBuffer x = Real([0, 7, Math.Log(2), 7, Math.Log(5), 7]);
        TestBuffer output = Output(6);
        Reference.Run(new SoftmaxForward
        {
            Input = x, Output = output, Outer = 1, Length = 3, Inner = 2,
        });
        double[] expected = [1 / 8.0, 1 / 3.0, 2 / 8.0, 1 / 3.0, 5 / 8.0, 1 / 3.0];
        // Exponential, sum and quotient in double: a few roundings of 1.1e-16.
        Numbers.Close(expected, output.Values, 1e-15, "softmax");
    }

    [Theory]
    [MemberData(nameof(BackendsAndInner))]
    public void LinesThatAreNotFinite(string backend, int inner)
    {
        // Of 41 elements all are −∞; or all but one; or one is NaN; or one is +∞; or none.
        float[] plain = [.. Enumerable.Range(0, 41).Select(i => i / 10f)];
        float[] hidden = [.. plain.Select(_ => -Infinity)];
        float[][] lines =
        [
            hidden, [.. hidden[..40], 3], [.. plain[..7], float.NaN, .. plain[8..]],
            [Infinity, .. plain[1..]], [.. plain[..20], -Infinity, .. plain[21..]],
        ];
        float[][] results = [.. lines.Select(line => Line(line, inner, backend))];
        Assert.All(results[0], y => Assert.True(float.IsNaN(y)));
        Assert.All(results[2], y => Assert.True(float.IsNaN(y)));
        Assert.All(results[3], y => Assert.True(float.IsNaN(y)));
        Assert.Equal(1, results[1][40]);
        Assert.All(results[1][..40], y => Assert.Equal(0, y));
        Assert.Equal(0, results[4][20]);
        // Forty weights below 1, one rounding of 6e-8 each of exponential, sum and quotient.
        Assert.Equal(1, results[4].Sum(y => (double)y), 1e-6);
    }

    [Theory]
    [MemberData(nameof(BackendsAndInner))]
    public void LargeInputs_KeepTheirDifferences(string backend, int inner)
    {
        // 10,000 and ln 2, ln 5 in binary32 below it: the weights are those of the rounded numbers.
        float[] line = [10000, 10000 - 0.6875f, 10000 - 1.609375f, -10000];
        double sum = 1 + Math.Exp(-0.6875) + Math.Exp(-1.609375);
        float[] softmax = Line(line, inner, backend);
        for (int i = 0; i < 3; i++)
        {
            // One rounding each of exponential, sum, quotient.
            Assert.Equal(Math.Exp(line[i] - 10000) / sum, softmax[i], 2.4e-7);
        }

        Assert.Equal(0, softmax[3]);
    }

    [Fact]
    public void Calls_RejectWrongArguments()
    {
        SoftmaxForward call = new()
        {
            Input = Real(new double[6]), Output = Output(6), Outer = 1, Length = 3, Inner = 2,
        };
        Rejects(call with { Inner = 1 },
            "Softmax: 'input' has 6 elements; expected 3 for shape [1, 3, 1]. Pass a buffer of " +
            "that size.");
        Rejects(call with { Outer = -1 },
            "Softmax: 'Outer' is -1; expected 0 or more. Pass the tensors' size.");
    }

    /// <summary>The result for a line that is the last of <paramref name="inner"/> side by side;
    /// the others hold other numbers, which must not matter.</summary>
    private static float[] Line(float[] line, int inner, string backend)
    {
        float[] x = new float[line.Length * inner], y = new float[x.Length];
        for (int i = 0; i < x.Length; i++) x[i] = i % 17;
        for (int l = 0; l < line.Length; l++) x[(l * inner) + inner - 1] = line[l];
        SoftmaxSizes sizes = new(1, line.Length, inner);
        Kernels.Softmax.Forward(x, sizes, y, BackendRegistry.Find(backend));
        if (inner > 1) Assert.All(y.Chunk(inner), row => Assert.True(float.IsFinite(row[0])));
        return [.. Enumerable.Range(0, line.Length).Select(l => y[(l * inner) + inner - 1])];
    }
}
