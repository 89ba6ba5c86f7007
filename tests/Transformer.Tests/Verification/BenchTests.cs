using System.Text.Json;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Verification;
using Transformer.Verification.Cases;
using Transformer.Verification.Unfused;

namespace Transformer.Tests.Verification;

public sealed class BenchTests
{
    // Within a factor of any machine: the rows' arithmetic is what is tested, not the machine.
    private static readonly MachineLimits Limits = new(50, 100, 10, 12, 2, 256);

    [Fact]
    public void Run_TimesEveryKernelOfTheRegistry()
    {
        BenchRow[] rows = [.. BenchRunner.Run(
            Limits, new(Size: BenchSize.Small, Budget: TimeSpan.FromMilliseconds(1))
            {
                WorkingSet = 1 << 20,
            })];

        foreach (Backend backend in BackendRegistry.All)
        {
            if (backend == BackendRegistry.Reference || !backend.IsAvailable) continue;
            Assert.All(backend.Kernels, kernel => Assert.Contains(rows, row =>
                row.Backend == backend.Name && row.Op == kernel.Op &&
                row.Direction == kernel.Direction && row.Milliseconds > 0));
        }

        // Memory-bound calls rotate: [16384] + [16384] to [16384] of 4 bytes.
        Assert.Equal(6, rows.First(r => r.Op == "Add").Copies);
        BenchRow linear = rows.First(r => r.Op == "Linear" && r.Unsupported is null);
        // [128, 128] to 128: 2·128³ operations; rows, weights and result of 4 bytes.
        Assert.Equal(2.0 * 128 * 128 * 128 / (linear.Milliseconds * 1e6), linear.Gflops, 1e-6);
        Assert.Equal(3 * 4.0 * 128 * 128 / (linear.Milliseconds * 1e6), linear.GBs, 1e-6);
        Assert.Equal(linear.Gflops / 100, linear.OfLimit!.Value, 1e-9);
        Assert.NotNull(linear.OverUnfused);
        Assert.NotNull(linear.OverReference);
    }

    [Fact]
    public void WorkingSet_GivesCallsOtherBuffersInTurns()
    {
        BenchCase add = BenchCases.Select(BenchSize.Small, ["Add"]).Single();
        AddressBackend backend = new();
        const long workingSet = 2 << 20;

        using (BoundCase bound = add.Bind(backend, workingSet, out _)!)
        {
            Assert.Equal((int)Math.Ceiling(workingSet / add.Work.Bytes), bound.CopyCount);
            for (int i = 0; i < 2 * bound.CopyCount; i++) bound.Run();
        }

        int copies = backend.Calls.Count / 2;
        Assert.Equal(copies, backend.Calls.Take(copies).Distinct().Count());
        Assert.Equal(backend.Calls.Take(copies), backend.Calls.Skip(copies));
        // Every copy holds the same numbers.
        Assert.Single(backend.Sums.Distinct());
        Assert.NotEqual(0, backend.Sums[0]);
    }

    [Theory]
    [InlineData(1000, 1000, 0, 1)]
    [InlineData(1000, 1000, 10_000, 10)]
    // A call that touches a thousandth of its operands gets the same ones.
    [InlineData(1000, 1_000_000, 10_000, 1)]
    [InlineData(0, 1000, 10_000, 1)]
    public void Copies_ReachTheWorkingSetOrStayOne(
        double touched, long allocated, long workingSet, int copies) =>
        Assert.Equal(copies, BoundCase.Copies(touched, allocated, workingSet));

    [Fact]
    public void CausalAttention_CountsHalfTheWork()
    {
        BenchCase[] forward = [.. BenchCases.Select(BenchSize.Base, ["FusedAttention"])
            .Where(c => c.Direction == OpDirection.Forward)];

        Assert.Equal(4.0 * 8 * 512 * 512 * 64, forward[0].Work.Flops);
        Assert.Equal(4.0 * 8 * (512 * 513 / 2) * 64, forward[1].Work.Flops);
    }

    [Fact]
    public void Json_HasMachineAndRows()
    {
        BenchRow row = new("Add", "simd", "[4]", DType.Float32, OpDirection.Forward, 0.5, 1, 2,
            0.25, null, double.PositiveInfinity, false, null);
        using MemoryStream stream = new();
        BenchReport.WriteJson(stream, Limits, [row]);
        using JsonDocument json = JsonDocument.Parse(stream.ToArray());

        Assert.Equal(100,
            json.RootElement.GetProperty("machine").GetProperty("fmaPeakGflops").GetDouble());
        JsonElement written = json.RootElement.GetProperty("rows")[0];
        Assert.Equal(0.5, written.GetProperty("ms").GetDouble());
        Assert.Equal(0.25, written.GetProperty("ofLimit").GetDouble());
        Assert.Equal(JsonValueKind.Null, written.GetProperty("overUnfused").ValueKind);
        Assert.Equal(JsonValueKind.Null, written.GetProperty("overReference").ValueKind);
    }

    [Fact]
    public void Measure_FindsPlausibleLimits()
    {
        MachineLimits limits = MachineLimits.Measure(TimeSpan.FromMilliseconds(200));

        // From the slowest to the fastest machine one might meet, shared with others; a loop that
        // the compiler removed would be far above.
        Assert.InRange(limits.FmaPeakGflopsOneCore, 1, 1000);
        Assert.InRange(limits.FmaPeakGflops, limits.FmaPeakGflopsOneCore, 200_000);
        Assert.InRange(limits.CopyGBs, 0.1, 10_000);
        Assert.InRange(limits.ReadGBs, 0.1, 10_000);
    }

    [Fact]
    public void UnfusedBaselines_ComputeTheSame()
    {
        ParityCase[] cases =
        [
            Case<AttentionForward>(m => FusedAttentionOperands.Forward(m,
                new(new(2, 4, 2, 17, 21, 16, 16)) { LogSumExp = false })),
            Case<AttentionForward>(m => FusedAttentionOperands.Forward(m,
                new(new(1, 2, 2, 17, 21, 16, 16))
                {
                    LogSumExp = false,
                    PlantsHidden = false,
                    Options = new() { Causal = CausalAlignment.BottomRight },
                })),
            Case<LinearForward>(m => LinearCases.Forward(m, new(5, 31, 17, Activation.GeluTanh))),
            Case<GeluFeedForwardForward>(m => GeluFeedForwardCases.Forward(
                m, new(5, 31, 64, 17, Activation.Relu))),
            Case<LayerNormForward>(m => LayerNormCases.Forward(
                m, new(5, 31) { Residual = true, Statistics = false })),
        ];
        UnfusedBackend unfused = new();

        Assert.All(cases.Select(c => c.Run(unfused)), r => Assert.True(r.Passed, r.ToString()));
    }

    private static ParityCase<TCall> Case<TCall>(Func<CaseMemory, TCall> build)
        where TCall : struct, IOpCall => new("unfused", Tolerance.Sum(64, chained: 2), build);

    private sealed class UnfusedBackend : Backend
    {
        public UnfusedBackend()
        {
            Register(new Kernel<AttentionForward>(UnfusedAttention.Forward));
            Register(new Kernel<LinearForward>(UnfusedLinear.Forward));
            Register(new Kernel<GeluFeedForwardForward>(UnfusedLinear.FeedForward));
            Register(new Kernel<LayerNormForward>(UnfusedRows.LayerNorm));
        }

        public override string Name => "unfused";

        public override string Device => "CPU";

        public override int Priority => -1;
    }

    /// <summary>Notes where the operands of its calls lie.</summary>
    private sealed class AddressBackend : Backend
    {
        public AddressBackend() => Register(new Kernel<AddForward>(call =>
        {
            Calls.Add((call.Left.Address, call.Right.Address, call.Output.Address));
            double sum = 0;
            foreach (float value in call.Left.AsSpan<float>()) sum += value;
            Sums.Add(sum);
        }));

        public List<(nint, nint, nint)> Calls { get; } = [];

        public List<double> Sums { get; } = [];

        public override string Name => "addresses";

        public override string Device => "CPU";

        public override int Priority => -1;
    }

    private sealed class Kernel<TCall>(Action<TCall> run) : IKernel<TCall>
        where TCall : struct, IOpCall
    {
        public void Run(in TCall call) => run(call);
    }
}
