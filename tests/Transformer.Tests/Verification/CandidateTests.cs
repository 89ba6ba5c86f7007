using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Verification;

namespace Transformer.Tests.Verification;

/// <summary>Kernels outside the registry in the two runners.</summary>
public sealed class CandidateTests
{
    private static readonly MachineLimits Limits = new(50, 100, 10, 12, 2, 256);

    private static KernelBackend Adder(string name = "mine") =>
        new KernelBackend(name).Add<AddForward>((in call) => BackendRegistry.Cpu.Run(call));

    [Fact]
    public void Parity_RunsTheCandidateAloneOnItsOps_UnlessNamed()
    {
        ParityResult[] alone = [.. ParityRunner.Run(new() { Candidates = [Adder()] })];
        ParityResult[] named =
            [.. ParityRunner.Run(new(Backends: ["mine", "simd"]) { Candidates = [Adder()] })];
        ParityResult[] other = [.. ParityRunner.Run(
            new(Ops: ["Dropout"], Quick: true) { Candidates = [Adder()] })];

        Assert.All(alone, r => Assert.Equal(("Add", "mine"), (r.Op, r.Backend)));
        Assert.Contains(alone, r => r.Passed);
        Assert.All(named, r => Assert.Equal("Add", r.Op));
        Assert.Equal(["simd", "mine"], named.Select(r => r.Backend).Distinct());
        Assert.NotEmpty(other);
        Assert.All(other, r => Assert.Contains("no", r.Skipped!));
    }

    [Fact]
    public void Case_TakesTheOneOfThatName_ElseThoseThatContainIt()
    {
        string[] Names(string text) => [.. ParityRunner.Run(
            new(["FusedAttention"], ["simd"], Case: text)).Select(r => r.Case).Distinct()];

        Assert.Equal(["[2, 4/2, 21×38, 40/40] window 2,3"],
            Names("[2, 4/2, 21×38, 40/40] window 2,3"));
        string[] similar = Names("WINDOW");
        Assert.InRange(similar.Length, 4, 100);
        Assert.All(similar, name => Assert.Contains("window", name));
        Assert.Contains("none of",
            Assert.Throws<ArgumentException>(() => Names("no such case")).Message);
    }

    [Fact]
    public void Bench_PutsTheBestRegisteredBackendBeside()
    {
        BenchRow[] rows = Bench(Adder());

        Assert.Equal(["mine", "simd"], rows.Select(r => r.Backend));
        Assert.All(rows, r => Assert.Equal("Add", r.Op));
        Assert.All(rows, r => Assert.True(r.OfLimit > 0 && r.OverReference > 0));
    }

    [Fact]
    public void Bench_GivesAGradientKernelItsForwardResults()
    {
        BenchRow[] rows = Bench(new KernelBackend("mine").Add<LayerNormBackward>(
            (in call) => BackendRegistry.Cpu.Run(call)));

        // Two shapes in three types.
        Assert.Equal(6, rows.Length);
        Assert.All(rows, r => Assert.Null(r.Unsupported));
    }

    [Fact]
    public void Bench_ReportsAKernelThatThrows()
    {
        BenchRow row = Bench(new KernelBackend("mine").Add<AddForward>(
            (in call) => throw new InvalidOperationException("broken")))[0];

        Assert.Equal("it threw InvalidOperationException: broken", row.Unsupported);
    }

    [Fact]
    public void OpOfOnesOwn_IsComparedWithItsOwnDefinition()
    {
        KernelBackend definition = new KernelBackend("definition").Add<HalveForward>(
            (in call) => Halve(call.Input.AsSpan<double>(), call.Output.AsSpan<double>()));
        KernelBackend right = new KernelBackend("right").Add<HalveForward>(
            (in call) => Halve(call.Input.AsSpan<float>(), call.Output.AsSpan<float>()),
            (in call) => KernelBackend.NotFloat32(call.Input, call.Output));
        KernelBackend wrong = new KernelBackend("wrong").Add<HalveForward>(
            (in call) => call.Output.AsSpan<float>().Clear(),
            (in call) => KernelBackend.NotFloat32(call.Input, call.Output));
        ParityCase[] cases =
        [
            new ParityCase<HalveForward>("[17]", Tolerance.Elementwise(1),
                memory => new(memory.Input("input", 17), memory.Output("output", 17)), quick: true)
            {
                Reference = definition,
            },
        ];

        ParityResult[] results = [.. ParityRunner.Run(
            new() { Candidates = [right, wrong], Cases = cases })];

        Assert.All(results, r => Assert.Equal("Halve", r.Op));
        Assert.Equal([true, false],
            results.Where(r => r.DType == DType.Float32).Select(r => r.Passed));
        Assert.All(results.Where(r => r.DType != DType.Float32), r => Assert.NotNull(r.Skipped));
        Assert.EndsWith("17 of 17 elements are off, the first at [0]", results[1].Detail);
    }

    private static BenchRow[] Bench(Backend candidate) => [.. BenchRunner.Run(Limits,
        new(Size: BenchSize.Small, Budget: TimeSpan.FromMilliseconds(1))
        {
            Candidates = [candidate],
        })];

    private static void Halve<T>(Span<T> input, Span<T> output)
        where T : System.Numerics.INumber<T>
    {
        for (int i = 0; i < input.Length; i++) output[i] = input[i] / T.CreateChecked(2);
    }

    private readonly record struct HalveForward(BufferView Input, BufferView Output) : IOpCall
    {
        public static string Op => "Halve";

        public static OpDirection Direction => OpDirection.Forward;

        public void Validate()
        {
        }
    }
}
