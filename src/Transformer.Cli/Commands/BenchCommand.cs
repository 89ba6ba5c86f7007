using System.CommandLine;
using System.Globalization;
using Spectre.Console;
using Transformer.Cli.Output;
using Transformer.Verification;

namespace Transformer.Cli.Commands;

/// <summary><c>bench</c>: the machine's limits first, then each op against them.</summary>
internal static class BenchCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<string[]> op = new("--op")
        {
            Description = "Only this op; may be given several times.",
            HelpName = "OP",
        };
        Option<string[]> backend = new("--backend")
        {
            Description = "Only this backend; may be given several times.",
            HelpName = "NAME",
        };
        Option<string> size = new("--size")
        {
            Description = "small, base (512 tokens, width 512) or large (GPT-2 small).",
            DefaultValueFactory = _ => "base",
        };
        Option<double> seconds = new("--seconds")
        {
            Description = "Time for each figure.",
            DefaultValueFactory = _ => 0.2,
        };
        Option<string?> json = CommonOptions.Json();
        Command command = new("bench", "Measure this machine's limits and every op against them.")
        {
            op, backend, size, seconds, json,
        };
        command.SetAction((parsed, cancellation) =>
        {
            JsonOutput target = new(parsed.GetValue(json));
            double budget = parsed.GetValue(seconds);
            if (!(budget > 0 && budget <= 600))
            {
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
                    $"bench: --seconds is {budget}; expected more than 0 and at most 600."));
            }

            BenchOptions options = new(
                parsed.GetValue(op), parsed.GetValue(backend),
                BenchSize.Find(parsed.GetRequiredValue(size)), TimeSpan.FromSeconds(budget));
            TextWriter output = parsed.InvocationConfiguration.Output;
            (MachineLimits limits, List<BenchRow> rows) =
                Run(Terminal.For(target, output), options, cancellation);
            string command = "transformer " +
                string.Join(' ', parsed.Tokens.Select(token => token.Value));
            target.Write(
                output, writer => BenchReport.WriteJson(writer, limits, rows, command));
            return Task.FromResult(Application.Done);
        });
        return command;
    }

    /// <summary>Measures and prints a table.</summary>
    public static (MachineLimits Limits, List<BenchRow> Rows) Run(
        IAnsiConsole console, BenchOptions options, CancellationToken cancellation)
    {
        MachineLimits limits = MachineLimits.Measure(TimeSpan.FromSeconds(1));
        console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"limits: {limits.FmaPeakGflops:F0} GFLOP/s on {limits.Threads} threads " +
            $"({limits.FmaPeakGflopsOneCore:F0} on one), {limits.VectorBits}-bit vectors, " +
            $"copy {limits.CopyGBs:F1} GB/s, read {limits.ReadGBs:F1} GB/s"));
        List<BenchRow> rows = [];
        foreach (BenchRow row in BenchRunner.Run(limits, options))
        {
            cancellation.ThrowIfCancellationRequested();
            rows.Add(row);
        }

        console.Write(Table(rows));
        if (rows.Any(r => r.ReferenceEstimated))
        {
            console.WriteLine("~ the reference was timed at size small and scaled by the work");
        }

        return (limits, rows);
    }

    private static Table Table(List<BenchRow> rows)
    {
        Table table = new Table().AddColumns(
            "op", "direction", "backend", "shape", "ms", "GFLOP/s", "GB/s", "of limit",
            "over unfused", "over reference");
        foreach (BenchRow row in rows)
        {
            if (row.Unsupported is not null)
            {
                table.AddRow(row.Op, Direction(row), row.Backend, Markup.Escape(row.Shape),
                    Markup.Escape($"not supported: {row.Unsupported}"));
                continue;
            }

            table.AddRow(
                row.Op, Direction(row), row.Backend, Markup.Escape(row.Shape),
                Number(row.Milliseconds, "0.000"), Number(row.Gflops, "0.0"),
                Number(row.GBs, "0.0"), Number(row.OfLimit, "0 %"),
                Number(row.OverUnfused, "0.0 ×"),
                (row.ReferenceEstimated ? "~" : "") + Number(row.OverReference, "0 ×"));
        }

        return table;
    }

    private static string Direction(BenchRow row) => row.Direction.ToString().ToLowerInvariant();

    private static string Number(double? value, string format) =>
        value?.ToString(format, CultureInfo.InvariantCulture) ?? "-";
}
