using System.Runtime.InteropServices;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Verification;

namespace Transformer.Cuda.Tests;

/// <summary>A file with a kernel of somebody's own is checked like the library's kernels.</summary>
/// <remarks>The emulated device does not read PTX: it takes the kernel of that name among those
/// that were compiled into it.</remarks>
public sealed class PtxBackendTests : IDisposable
{
    private const string Entry = "layer_norm_forward_f32_block_strided";

    private readonly string file = Path.GetTempFileName();

    public PtxBackendTests() => File.WriteAllText(file, ".version 6.3 .target sm_75");

    public void Dispose() => File.Delete(file);

    [SkippableFact]
    public void AKernel_IsCheckedOnEveryCaseThatItTakes()
    {
        List<ParityResult> results = Verify(Entry, epsilonFactor: 1);
        Assert.All(results, result => Assert.False(result.Failed, result.ToString()));
        Assert.True(results.Count(result => result.Passed) >= 20);
        Assert.All(results.Where(result => result.Skipped is not null),
            result => Assert.Equal("takes Float32 only", result.Skipped));
    }

    [SkippableFact]
    public void AWrongKernel_IsToldWithIndexAndBothValues()
    {
        ParityResult wrong = Verify(Entry, epsilonFactor: 1e4f).First(result => result.Failed);
        Assert.Equal("LayerNorm", wrong.Op);
        Assert.Matches(@"output\[\d+\]|inverseStd\[\d+\]|index \d+", wrong.ToString());
    }

    [SkippableFact]
    public void AnEntryThatIsNotThere_IsNamed()
    {
        ParityResult result = Verify("no_such_kernel", epsilonFactor: 1)[0];
        Assert.True(result.Failed);
        Assert.Contains("'no_such_kernel'", result.Detail, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void AFileThatIsNotThere_IsRefusedWithTheRemedy()
    {
        PtxBackend backend = new("mine", EmulatedDevice.Require());
        string message = Assert.Throws<FileNotFoundException>(() =>
            backend.Add<LayerNormForward, Argument>("none.ptx", Entry, Launch)).Message;
        Assert.Contains("'none.ptx' does not exist", message, StringComparison.Ordinal);
        Assert.Contains("nvcc -ptx", message, StringComparison.Ordinal);
    }

    private List<ParityResult> Verify(string entry, float epsilonFactor)
    {
        PtxBackend backend = new("mine", EmulatedDevice.Require());
        backend.Add(file, entry, (in LayerNormForward call, out Argument argument) =>
        {
            LaunchShape shape = Launch(in call, out argument);
            argument.Epsilon *= epsilonFactor;
            return shape;
        }, (in LayerNormForward call) =>
            call.Input.DType == DType.Float32 ? null : "takes Float32 only");
        return [.. ParityRunner.Run(new() { Candidates = [backend] })];
    }

    private static LaunchShape Launch(in LayerNormForward call, out Argument argument)
    {
        argument = new()
        {
            Input = call.Input.Address,
            Residual = call.Residual.Address,
            Weight = call.Weight.Address,
            Bias = call.Bias.Address,
            Sum = call.Sum.Address,
            Output = call.Output.Address,
            Mean = call.Mean.Address,
            InverseStd = call.InverseStd.Address,
            Rows = call.Rows,
            Width = call.Width,
            Epsilon = (float)call.EffectiveEpsilon,
        };
        return new((uint)call.Rows, 256, 8 * sizeof(float));
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public nint Input, Residual, Weight, Bias, Sum, Output, Mean, InverseStd;
        public int Rows, Width;
        public float Epsilon;
    }
}
