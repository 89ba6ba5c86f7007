using Transformer.Cli.Tests.Commands.Run;
using Transformer.Models.Interchange;
using Transformer.Tensors;

namespace Transformer.Cli.Tests.Onnx;

/// <summary>The <c>run</c> commands give what ONNX Runtime gave; README.md says how the files were
/// made.</summary>
public sealed class OnnxRuntimeTests : IDisposable
{
    // Both are within 1e-5 of the value and 1e-6 of the exact result.
    private const double Relative = 2e-5, Absolute = 2e-6;

    // Two roundings to binary16 of numbers that differ by so little may be one unit apart.
    private const double HalfUnit = 1.0 / 1024;

    private readonly RunFiles files = new();

    public void Dispose() => files.Dispose();

    public static TheoryData<string, string> Cases() => OnnxRecords.Cases("");

    [Fact]
    public void EveryOperatorHasCases()
    {
        string[] operators =
            [.. Cases().Select(row => (string)((object[])row)[0]).Distinct()];
        Assert.Equal(
        [
            "gather", "gelu", "layer_normalization", "log_softmax",
            "negative_log_likelihood_loss", "rms_normalization", "rotary_embedding", "softmax",
            "softmax_cross_entropy_loss",
        ], operators);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Command_GivesTheRecordedResult(string file, string name)
    {
        using SafeTensorsFile recorded = OnnxRecords.Open(file);
        foreach (string output in OnnxRecords.Run(recorded, name, files))
            Compare(recorded, $"{name}/{output}", output);
    }

    private void Compare(SafeTensorsFile recorded, string tensor, string name)
    {
        SafeTensorInfo info = recorded.Tensors[tensor];
        float[] expected = recorded.ToSingles(tensor);
        double[] actual = files.Read(name, [.. info.Shape], info.DType!.Value);
        double unit = info.DType == DType.Float16 ? HalfUnit : 0;
        for (int i = 0; i < expected.Length; i++)
        {
            // Below the smallest normal binary16 number the unit is 2⁻²⁴.
            double allowed = Absolute + (unit / 16384) +
                ((Relative + unit) * Math.Abs(expected[i]));
            bool close = float.IsFinite(expected[i])
                ? Math.Abs(actual[i] - expected[i]) <= allowed
                : actual[i].Equals(expected[i]);
            Assert.True(close, $"{tensor}[{i}] is {actual[i]}; ONNX Runtime gave {expected[i]}");
        }
    }
}
