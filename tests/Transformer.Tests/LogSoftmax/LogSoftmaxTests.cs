using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tests.Support;
using Kernels = Transformer.Ops;

namespace Transformer.Tests.LogSoftmax;

/// <summary>Log-softmax on both CPU backends: values by hand, and what is not finite.</summary>
public class LogSoftmaxTests : KernelTest
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
        Reference.Run(new LogSoftmaxForward
        {
            Input = x, Output = output, Outer = 1, Length = 3, Inner = 2,
        });
        double[] expected = [1 / 8.0, 1 / 3.0, 2 / 8.0, 1 / 3.0, 5 / 8.0, 1 / 3.0];
        // Exponentials, sum and logarithm in double: a few roundings of 1.1e-16.
        Numbers.Close(
            [.. expected.Select(p => Math.Log(p))], output.Values, 1e-15, "log-softmax");
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
        Assert.Equal(0, results[1][40]);
        Assert.All(results[1][..40], y => Assert.Equal(-Infinity, y));
        Assert.Equal(-Infinity, results[4][20]);
        // Differences up to 4 and a logarithm of about 2.4, rounded to 2.4e-7 at most each.
        Assert.Equal(1, results[4].Sum(y => Math.Exp(y)), 1e-6);
    }

    [Theory]
    [MemberData(nameof(BackendsAndInner))]
    public void LargeInputs_KeepTheirDifferences(string backend, int inner)
    {
        // 10,000 and ln 2, ln 5 in binary32 below it: the weights are those of the rounded numbers.
        float[] line = [10000, 10000 - 0.6875f, 10000 - 1.609375f, -10000];
        double sum = 1 + Math.Exp(-0.6875) + Math.Exp(-1.609375);
        float[] logs = Line(line, inner, backend);
        for (int i = 0; i < 3; i++)
        {
            // Two differences up to 2.1 are rounded, and the sum before its logarithm.
            Assert.Equal(line[i] - 10000 - Math.Log(sum), logs[i], 4.8e-7);
        }

        // Numbers of about 20,000 are 1/512 apart.
        Assert.Equal(-20000 - Math.Log(sum), logs[3], 1.0 / 512);
    }

    [Fact]
    public void Calls_RejectWrongArguments()
    {
        LogSoftmaxForward call = new()
        {
            Input = Real(new double[6]), Output = Output(6), Outer = 1, Length = 3, Inner = 2,
        };
        Rejects(call with { Inner = 1 },
            "LogSoftmax: 'input' has 6 elements; expected 3 for shape [1, 3, 1]. Pass a buffer " +
            "of that size.");
        Rejects(call with { Output = Output(5) },
            "LogSoftmax: 'output' has 5 elements; expected 6 for shape [1, 3, 2]. Pass a buffer " +
            "of that size.");
        Rejects(call with { Outer = -1 },
            "LogSoftmax: 'Outer' is -1; expected 0 or more. Pass the tensors' size.");
    }

    /// <summary>The result for a line that is the last of <paramref name="inner"/> side by side;
    /// the others hold other numbers, which must not matter.</summary>
    private static float[] Line(float[] line, int inner, string backend)
    {
        float[] x = new float[line.Length * inner], y = new float[x.Length];
        for (int i = 0; i < x.Length; i++) x[i] = i % 17;
        for (int l = 0; l < line.Length; l++) x[(l * inner) + inner - 1] = line[l];
        SoftmaxSizes sizes = new(1, line.Length, inner);
        Kernels.LogSoftmax.Forward(x, sizes, y, BackendRegistry.Find(backend));
        if (inner > 1) Assert.All(y.Chunk(inner), row => Assert.True(float.IsFinite(row[0])));
        return [.. Enumerable.Range(0, line.Length).Select(l => y[(l * inner) + inner - 1])];
    }
}
