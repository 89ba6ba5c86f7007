using Transformer.Cli.Tests.Commands.Run;
using Transformer.Models.Interchange;
using Transformer.Tensors;

namespace Transformer.Cli.Tests.Onnx;

/// <summary><c>run attention</c> gives what ONNX Runtime gave, in every element type.</summary>
public sealed class OnnxAttentionTests : IDisposable
{
    // Both are within 1e-5 of the value and 1e-6 of the exact result.
    private const double Relative = 2e-5, Absolute = 2e-6;

    // ONNX Runtime gives this or −∞ for the score of a hidden key.
    private const float Hidden = float.MinValue;

    private readonly RunFiles files = new();

    public void Dispose() => files.Dispose();

    public static TheoryData<string, string> Cases() => OnnxRecords.Cases("Attention");

    [Fact]
    public void EveryKindOfCacheHasCases() => Assert.Equal(["lengths", "past", "plain"],
        Cases().Select(row => (string)((object[])row)[0]).Distinct());

    [Theory]
    [MemberData(nameof(Cases))]
    public void Float32_GivesTheRecordedResult(string file, string name) =>
        Compare(file, name, DType.Float32, 0, 0);

    // One rounding of a normal number, and half of the smallest subnormal one.
    [Theory]
    [MemberData(nameof(Cases))]
    public void Float16_RoundsTheRecordedResultOnce(string file, string name) =>
        Compare(file, name, DType.Float16, Math.Pow(2, -11), Math.Pow(2, -25));

    [Theory]
    [MemberData(nameof(Cases))]
    public void BFloat16_RoundsTheRecordedResultOnce(string file, string name) =>
        Compare(file, name, DType.BFloat16, Math.Pow(2, -8), 0);

    private void Compare(string file, string name, DType type, double unit, double smallest)
    {
        Compare("simd", file, name, type, unit, smallest);
        Compare("reference", file, name, type, unit, smallest);
    }

    private void Compare(
        string backend, string file, string name, DType type, double unit, double smallest)
    {
        using SafeTensorsFile recorded = OnnxRecords.Open(Path.Combine("Attention", file));
        List<string> outputs =
            OnnxRecords.Run(recorded, name, files, type, "--backend", backend);
        foreach (string output in outputs)
        {
            string tensor = $"{name}/{output}";
            float[] expected = recorded.ToSingles(tensor);
            double[] actual = files.Read(output, [.. recorded.Tensors[tensor].Shape], type);
            for (int i = 0; i < expected.Length; i++)
            {
                double allowed =
                    Absolute + smallest + ((Relative + unit) * Math.Abs(expected[i]));
                bool close = expected[i] <= Hidden
                    ? double.IsNegativeInfinity(actual[i])
                    : Math.Abs(actual[i] - expected[i]) <= allowed;
                Assert.True(close, $"{backend}: {tensor}[{i}] is {actual[i]}; ONNX Runtime gave " +
                    $"{expected[i]}");
            }
        }
    }
}
