using System.CommandLine;
using System.Globalization;
using Spectre.Console;
using Transformer.Backends;
using Transformer.Cli.Commands.Bench;
using Transformer.Cli.Output;
using Transformer.Cli.Output.Charts;
using Transformer.Cli.Plugins;
using Transformer.Models.Interchange;
using Transformer.Verification;

namespace Transformer.Cli.Commands;

/// <summary><c>bench</c>: the machine's limits first, then each op against them.</summary>
internal static class BenchCommand
{
    private const int MostThreads = 1024;

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
        NumberOption<int> threads = new("--threads")
        {
            Description = "Threads of every call; the default is TRANSFORMER_THREADS, else all " +
                "processors.",
            HelpName = "N",
            DefaultValueFactory = _ => BackendRegistry.CpuThreads,
        };
        Option<bool> scaling = new("--scaling")
        {
            Description = "Measure how time and memory grow with length and width instead; with " +
                "--size small at small sizes only.",
        };
        Option<string?> svg = File("--svg", "Draw the curves of --scaling.");
        Option<string?> html = File(
            "--html", "Write one page: limits, roofline, every op, and the curves of --scaling.");
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
        Command command = new(
            "bench", "Measure this machine's limits, and ops or models against them.")
        {
            op, backend, size, seconds, threads, scaling, models, quick, svg, html, plugin,
            json,
        };
        command.SetAction((parsed, cancellation) =>
        {
            JsonOutput target = new(parsed.GetValue(json));
            double budget = Seconds(parsed.GetValue(seconds));

            string typed = "transformer " +
                string.Join(' ', parsed.Tokens.Select(token => token.Value));
            TextWriter output = parsed.InvocationConfiguration.Output;
            BackendRegistry.CpuThreads = Threads(parsed.GetValue(threads));
            if (parsed.GetValue(models))
            {
                foreach (Option other in (Option[])[op, scaling, svg, html, plugin, size])
                {
                    if (parsed.GetResult(other) is not { Implicit: false }) continue;
                    throw new ArgumentException($"bench: both {other.Name} and --models are " +
                        "given; expected one of them.");
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
                BenchSize.Find(parsed.GetRequiredValue(size)),
                TimeSpan.FromSeconds(budget))
            {
                Candidates = plugins.Backends,
                Cases = plugins.BenchCases,
            };
            Outputs outputs = new(
                target, parsed.GetValue(scaling), parsed.GetValue(svg), parsed.GetValue(html));
            outputs.Check();
            return Task.FromResult(Run(output, options, outputs, typed, cancellation));
        });
        return command;
    }

    private static Option<string?> File(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "FILE",
    };

    private static double Seconds(double budget) => budget is > 0 and <= 600
        ? budget : throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
            $"bench: --seconds is {budget}; expected more than 0 and at most 600."));

    private static int Threads(int count) => count is >= 1 and <= MostThreads
        ? count : throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
            $"bench: --threads is {count}; expected 1 to {MostThreads}. This machine has " +
            $"{Environment.ProcessorCount} processors."));

    private static int Run(
        TextWriter output, BenchOptions options, Outputs outputs, string command,
        CancellationToken cancellation)
    {
        IAnsiConsole console = Terminal.For(outputs.Json, output);
        bool curvesOnly = outputs is { Scaling: true, Html: null };
        // An unknown op is found before anything is measured.
        BenchCases.Select(BenchSize.Small, options.Ops, options.Cases);
        (MachineLimits limits, List<BenchRow> rows) = curvesOnly
            ? (MeasureLimits(console), []) : Run(console, options, cancellation);
        ScalingResult? curves = !outputs.Scaling && outputs.Html is null ? null : ScalingRun.Run(
            console, options.Ops ?? [], quick: options.Size == BenchSize.Small,
            options.Budget!.Value, cancellation);
        outputs.Json.Write(output, writer =>
        {
            writer.WriteStartObject();
            BenchReport.WriteHead(writer, limits, command);
            if (!curvesOnly) BenchReport.WriteRows(writer, rows);
            if (curves is not null) ScalingRun.WriteJson(writer, curves);
            writer.WriteEndObject();
        });
        int result = rows.Any(row => row.Threw) ? Application.CheckFailed : Application.Done;
        if (curves is null) return result;
        if (outputs.Svg is { } chart)
            AtomicFile.Write(chart, stream => ScalingChart.WriteFile(stream, curves));
        if (outputs.Html is { } page)
            new BenchPage(command, limits, rows, curves).Write(page);
        return result;
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
        if (NamedOnly.Line(options.Backends, options.Candidates) is { } left)
            console.WriteLine(left);
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

    /// <summary>What is to be measured and written.</summary>
    private sealed record Outputs(JsonOutput Json, bool Scaling, string? Svg, string? Html)
    {
        /// <summary>Refuses what cannot be written, before anything is measured.</summary>
        public void Check()
        {
            if (Svg is not null && !Scaling && Html is null)
            {
                throw new ArgumentException(
                    "bench: --svg draws the curves of --scaling. Add --scaling.");
            }

            string[] paths = [.. new[] { Json.OwnsStandardOutput ? null : Json.Target, Svg, Html }
                .OfType<string>()
                .Select(Path.GetFullPath)];
            if (paths.Distinct().Count() < paths.Length)
            {
                throw new ArgumentException("bench: two of --json, --svg and --html name one " +
                    "file. Name a file for each.");
            }

            OutputFile.Require("--svg", Svg);
            OutputFile.Require("--html", Html);
        }
    }
}
