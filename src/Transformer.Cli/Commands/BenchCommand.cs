using System.CommandLine;
using System.Globalization;
using Spectre.Console;
using Transformer.Cli.Output;
using Transformer.Cli.Plugins;
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
        NumberOption<double> seconds = new("--seconds")
        {
            Description = "Time for each figure.",
            DefaultValueFactory = _ => 0.2,
        };
        Option<bool> models = new("--models")
        {
            Description = "Whole models instead of ops: GPT-2, nanoGPT's small one, a translator.",
        };
        Option<bool> quick = new("--quick")
        {
            Description = "With --models: tiny ones, to see that it works.",
        };
        Option<string[]> plugin = PluginSet.Option();
        Option<string?> json = CommonOptions.Json();
        Command command = new("bench", "Measure this machine's limits, and ops or models against them.")
        {
            op, backend, size, seconds, models, quick, plugin, json,
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

            string typed = "transformer " +
                string.Join(' ', parsed.Tokens.Select(token => token.Value));
            TextWriter output = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(models))
            {
                if (parsed.GetValue(op) is { Length: > 0 })
                {
                    throw new ArgumentException(
                        "bench: both --op and --models are given; expected one of them.");
                }

                ModelBenchView.Run(
                    target, output, parsed.GetValue(backend), parsed.GetValue(quick),
                    parsed.GetResult(seconds) is { Implicit: false } ? budget : null, typed,
                    cancellation);
                return Task.FromResult(Application.Done);
            }

            if (parsed.GetValue(quick))
            {
                throw new ArgumentException(
                    "bench: --quick goes with --models. Use --size small for ops.");
            }

            PluginSet plugins = PluginSet.Load(parsed.GetValue(plugin));
            BenchOptions options = new(
                parsed.GetValue(op), parsed.GetValue(backend),
                BenchSize.Find(parsed.GetRequiredValue(size)), TimeSpan.FromSeconds(budget))
            {
                Candidates = plugins.Backends,
                Cases = plugins.BenchCases,
            };
            (MachineLimits limits, List<BenchRow> rows) =
                Run(Terminal.For(target, output), options, cancellation);
            target.Write(
                output, writer => BenchReport.WriteJson(writer, limits, rows, typed));
            return Task.FromResult(Application.Done);
        });
        return command;
    }

    /// <summary>Measures and prints a table.</summary>
    public static (MachineLimits Limits, List<BenchRow> Rows) Run(
        IAnsiConsole console, BenchOptions options, CancellationToken cancellation)
    {
        MachineLimits limits = MeasureLimits(console);
        List<BenchRow> rows = [];
        foreach (BenchRow row in BenchRunner.Run(limits, options))
        {
            cancellation.ThrowIfCancellationRequested();
            rows.Add(row);
        }

        console.Write(Table(rows, console.Profile.Width));
        console.WriteLine("of limit: share of the roofline of this machine's main memory and " +
            "arithmetic; above 100 % where operands stay in cache");
        if (rows.Any(r => r.ReferenceEstimated))
        {
            console.WriteLine("~: the reference was timed at size small and scaled by the work");
        }

        return (limits, rows);
    }

    /// <summary>Measures and prints what the machine can do.</summary>
    public static MachineLimits MeasureLimits(IAnsiConsole console)
    {
        MachineLimits limits = MachineLimits.Measure(TimeSpan.FromSeconds(1));
        console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"limits: {limits.FmaPeakGflops:F0} GFLOP/s on {limits.Threads} threads " +
            $"({limits.FmaPeakGflopsOneCore:F0} on one), {limits.VectorBits}-bit vectors, " +
            $"copy {limits.CopyGBs:F1} GB/s, read {limits.ReadGBs:F1} GB/s"));
        return limits;
    }

    private static Table Table(List<BenchRow> rows, int width)
    {
        bool wide = width >= 140;
        bool named = wide || rows.Select(row => row.Backend).Distinct().Count() > 1;
        string[] backend = named ? ["backend"] : [];
        string[] headers = wide
            ? ["op", "direction", .. backend, "shape", "ms", "GFLOP/s", "GB/s", "of limit",
                "× unfused", "× reference"]
            : ["op", "direction", .. backend, "shape", "ms", "of limit", "× unfused", "× ref."];
        Table table = Terminal.Table(headers, words: named ? 4 : 3, wrapping: "shape");
        foreach (BenchRow row in rows)
        {
            string[] on = named ? [Markup.Escape(row.Backend)] : [];
            string[] name =
                [Markup.Escape(row.Op), Direction(row), .. on, Markup.Escape(row.Shape)];
            if (row.Unsupported is not null)
            {
                name[^1] += Markup.Escape($", not supported: {row.Unsupported}");
                table.AddRow(name);
                continue;
            }

            string milliseconds = Number(
                row.Milliseconds, row.Milliseconds < 0.01 ? "0.00000" : "0.000");
            string reference = (row.ReferenceEstimated ? "~" : "") + Number(row.OverReference, "0");
            string limit = Number(row.OfLimit, "0 %"), unfused = Number(row.OverUnfused, "0.0");
            string[] figures = wide
                ? [milliseconds, Number(row.Gflops, "0.0"), Number(row.GBs, "0.0"), limit, unfused,
                    reference]
                : [milliseconds, limit, unfused, reference];
            table.AddRow([.. name, .. figures]);
        }

        return table;
    }

    private static string Direction(BenchRow row) => row.Direction.ToString().ToLowerInvariant();

    private static string Number(double? value, string format) =>
        value?.ToString(format, CultureInfo.InvariantCulture) ?? "-";
}
