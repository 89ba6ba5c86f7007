using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using Transformer.Verification;

namespace Transformer.Benchmarks;

/// <summary>Columns of every op: rate, bandwidth, share of the limit, allocation.</summary>
public sealed class OpConfig : ManualConfig
{
    private static readonly Lazy<MachineLimits> Limits =
        new(() => MachineLimits.Measure(TimeSpan.FromSeconds(2)));

    public OpConfig()
    {
        AddDiagnoser(MemoryDiagnoser.Default);
        AddColumn(
            new RateColumn("GFLOP/s", "needed operations over time", "0.0",
                (work, seconds) => work.Flops / seconds / 1e9),
            new RateColumn("GB/s", "needed bytes over time", "0.0",
                (work, seconds) => work.Bytes / seconds / 1e9),
            new RateColumn("of limit", "the roofline's time over the measured time", "0 %",
                (work, seconds) => Roofline(work, Limits.Value) / seconds));
        SummaryStyle = SummaryStyle.Default.WithMaxParameterColumnWidth(80);
    }

    private static double Roofline(BenchWork work, MachineLimits limits) => Math.Max(
        work.Flops / (1e9 * limits.FmaPeakGflops), work.Bytes / (1e9 * limits.Bandwidth));

    /// <summary>A figure that follows from a call's work and its median time.</summary>
    private sealed class RateColumn(
        string name, string legend, string format, Func<BenchWork, double, double> of) : IColumn
    {
        public string Id => name;

        public string ColumnName => name;

        public bool AlwaysShow => true;

        public ColumnCategory Category => ColumnCategory.Custom;

        public int PriorityInCategory => 0;

        public bool IsNumeric => true;

        public UnitType UnitType => UnitType.Dimensionless;

        public string Legend => legend;

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
        {
            double? nanoseconds = summary[benchmarkCase]?.ResultStatistics?.Median;
            return nanoseconds is { } time && benchmarkCase.Parameters["Call"] is OpCall call
                ? of(call.Case.Work, time / 1e9).ToString(format, CultureInfo.InvariantCulture)
                : "-";
        }

        public string GetValue(
            Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) =>
            GetValue(summary, benchmarkCase);

        public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

        public bool IsAvailable(Summary summary) => true;
    }
}
