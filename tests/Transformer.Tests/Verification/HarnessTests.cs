using System.Text.Json;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Verification;

namespace Transformer.Tests.Verification;

/// <summary>The harness itself: it must notice kernels that are wrong.</summary>
public sealed class HarnessTests
{
    private static readonly ParityCase AddCase =
        ParityCases.Select(["Add"], quick: false).First(c => c.Name == "[65]");

    [Fact]
    public void RightKernel_Passes()
    {
        ParityResult result = AddCase.Run(new SingleKernelBackend(AddKernel.Fault.None));

        Assert.True(result.Passed, result.ToString());
        Assert.Equal("Add Forward on 'test', case '[65]' (Float32): passed: ",
            result.ToString()[..result.ToString().IndexOf("output[", StringComparison.Ordinal)]);
    }

    [Theory]
    [InlineData(AddKernel.Fault.OneElementOff, "output[64] = ")]
    [InlineData(AddKernel.Fault.SmallError, "output[13] = ")]
    [InlineData(AddKernel.Fault.LastElementMissing, "output[64] = NaN")]
    [InlineData(AddKernel.Fault.WritesBehind,
        "'output' was written outside its 65 elements, 1 bytes behind its last one")]
    [InlineData(AddKernel.Fault.WritesBefore,
        "'output' was written outside its 65 elements, 4 bytes before its first one")]
    [InlineData(AddKernel.Fault.ChangesInput, "input 'left' was changed at index 3")]
    [InlineData(AddKernel.Fault.Throws, "InvalidOperationException: broken")]
    public void WrongKernel_IsCaught(AddKernel.Fault fault, string detail)
    {
        ParityResult result = AddCase.Run(new SingleKernelBackend(fault));

        Assert.True(result.Failed);
        Assert.StartsWith(detail, result.Detail);
    }

    [Fact]
    public void MissingKernel_IsUnsupportedAndNotPassed()
    {
        ParityResult result = ParityCases.Select(["Linear"], quick: true)[0]
            .Run(new SingleKernelBackend(AddKernel.Fault.None));

        Assert.False(result.Passed);
        Assert.False(result.Failed);
        Assert.Equal("backend 'test' has no Forward kernel for Linear", result.Skipped);
    }

    [Fact]
    public void HiddenKeyThatLeaks_IsCaught()
    {
        // The attention kernel below ignores key lengths; the padding's keys hold NaN.
        ParityCase padded = ParityCases.Select(["FusedAttention"], quick: true)
            .First(c => c.Name.Contains("lengths", StringComparison.Ordinal));

        ParityResult result = padded.Run(new LengthBlindBackend());

        Assert.True(result.Failed);
        Assert.Contains("NaN", result.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_HasRowsAndTotals()
    {
        ParityResult[] results =
        [
            AddCase.Run(new SingleKernelBackend(AddKernel.Fault.None)),
            AddCase.Run(new SingleKernelBackend(AddKernel.Fault.WritesBehind)),
            ParityCases.Select(["Linear"], quick: true)[0]
                .Run(new SingleKernelBackend(AddKernel.Fault.None)),
        ];
        using MemoryStream stream = new();
        ParityReport.WriteJson(stream, results);
        using JsonDocument json = JsonDocument.Parse(stream.ToArray());

        JsonElement totals = json.RootElement.GetProperty("totals");
        Assert.Equal((3, 1, 1, 1), (Total("cases"), Total("passed"), Total("failed"),
            Total("unsupported")));
        JsonElement row = json.RootElement.GetProperty("rows")[0];
        Assert.Equal("Add", row.GetProperty("op").GetString());
        Assert.Equal("Float32", row.GetProperty("dtype").GetString());
        Assert.True(row.GetProperty("maxAbs").GetDouble() < 1e-6);
        Assert.Equal(JsonValueKind.Null,
            json.RootElement.GetProperty("rows")[1].GetProperty("relL2").ValueKind);

        int Total(string name) => totals.GetProperty(name).GetInt32();
    }

    private sealed class SingleKernelBackend : Backend
    {
        public SingleKernelBackend(AddKernel.Fault fault) =>
            Register<AddForward>(new AddKernel(fault));

        public override string Name => "test";

        public override string Device => "CPU";

        public override int Priority => -1;
    }

    private sealed class LengthBlindBackend : Backend
    {
        public LengthBlindBackend() => Register<AttentionForward>(new LengthBlind());

        public override string Name => "test";

        public override string Device => "CPU";

        public override int Priority => -1;

        private sealed class LengthBlind : IKernel<AttentionForward>
        {
            public void Run(in AttentionForward call) => BackendRegistry.Reference.Run(
                call with { Inputs = call.Inputs with { KeyLengths = default } });
        }
    }

    public sealed unsafe class AddKernel(AddKernel.Fault fault) : IKernel<AddForward>
    {
        public enum Fault
        {
            None,
            OneElementOff,
            SmallError,
            LastElementMissing,
            WritesBehind,
            WritesBefore,
            ChangesInput,
            Throws,
        }

        public void Run(in AddForward call)
        {
            if (fault == Fault.Throws) throw new InvalidOperationException("broken");
            float* left = call.Left.Pointer<float>();
            float* right = call.Right.Pointer<float>();
            float* output = call.Output.Pointer<float>();
            long length = call.Length - (fault == Fault.LastElementMissing ? 1 : 0);
            for (long i = 0; i < length; i++) output[i] = left[i] + right[i];
            if (fault == Fault.OneElementOff) output[length - 1] += 0.01f;
            if (fault == Fault.SmallError) output[13] += 1e-5f;
            if (fault == Fault.WritesBehind) output[length] = 0;
            if (fault == Fault.WritesBefore) output[-1] = 0;
            if (fault == Fault.ChangesInput) left[3] = 0;
        }
    }
}
