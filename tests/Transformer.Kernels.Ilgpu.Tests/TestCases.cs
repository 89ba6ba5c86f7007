using Transformer.Verification;

namespace Transformer.Kernels.Ilgpu.Tests;

/// <summary>The parity cases that these tests run.</summary>
internal static class TestCases
{
    /// <summary>Cases of an op. All, but of attention the quick ones, of which there are hundreds:
    /// <c>verify --backend ilgpu-cpu</c> runs the rest, for minutes. The quick ones, too, where the
    /// CPU's wider vectors are switched off: these kernels use none, and the full run beside it has
    /// proven them.</summary>
    public static ParityCase[] Of(string op) => [.. ParityCases.Select(
        [op], op == "FusedAttention" || IsSwitchedOff("AVX512") || IsSwitchedOff("AVX2"), [])];

    private static bool IsSwitchedOff(string set) =>
        Environment.GetEnvironmentVariable($"DOTNET_Enable{set}") == "0";
}
