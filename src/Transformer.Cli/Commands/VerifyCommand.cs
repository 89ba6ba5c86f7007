using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Spectre.Console;
using Transformer.Cli.Output;
using Transformer.Cli.Plugins;
using Transformer.Verification;

namespace Transformer.Cli.Commands;

/// <summary><c>verify</c>: parity of every op on every backend against the reference.</summary>
internal static class VerifyCommand
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
        Option<bool> quick = new("--quick") { Description = "A subset, in seconds." };
        Option<string?> single = new("--case")
        {
            Description = "Only the case of this name, or else those whose names contain it.",
            HelpName = "TEXT",
        };
        Option<string[]> plugin = PluginSet.Option();
        Option<string?> json = CommonOptions.Json();
        Command command = new("verify", "Check every op, option and gradient of every backend " +
            "against the double-precision reference.")
        {
            op, backend, single, quick, plugin, json,
        };
        command.SetAction((parsed, cancellation) =>
        {
            JsonOutput target = new(parsed.GetValue(json));
            PluginSet plugins = PluginSet.Load(parsed.GetValue(plugin));
            ParityOptions options = new(parsed.GetValue(op), parsed.GetValue(backend),
                parsed.GetValue(quick), parsed.GetValue(single))
            {
                Candidates = plugins.Backends,
                Cases = plugins.Cases,
            };
            TextWriter output = parsed.InvocationConfiguration.Output;
            IAnsiConsole console = Terminal.For(target, output);
            List<ParityResult> results = Run(console, options, cancellation);
            target.Write(output, writer => ParityReport.WriteJson(writer, results));
            if (NothingVerified(results) is { } nothing)
                parsed.InvocationConfiguration.Error.WriteLine(PlainText.OneLine(nothing));
            bool passed = results.All(r => !r.Failed) && results.Any(r => r.Passed);
            return Task.FromResult(passed ? Application.Done : Application.CheckFailed);
        });
        return command;
    }

    /// <summary>Runs the cases and prints a table by op, backend and direction.</summary>
    public static List<ParityResult> Run(
        IAnsiConsole console, ParityOptions options, CancellationToken cancellation)
    {
        Stopwatch watch = Stopwatch.StartNew();
        List<ParityResult> results = [];
        foreach (ParityResult result in ParityRunner.Run(options))
        {
            cancellation.ThrowIfCancellationRequested();
            results.Add(result);
            if (result.Failed) Line(result.ToString());
        }

        console.Write(Summary(results));
        console.WriteLine("error: the largest, as a share of the tolerance; lacks: not supported");
        foreach (var lack in results.Where(r => r.Skipped is not null)
            .GroupBy(r => (r.Backend, r.Skipped)))
        {
            Line($"'{lack.Key.Backend}' lacks {lack.Count()}: {lack.Key.Skipped}");
        }

        if (NamedOnly.Line(options.Backends, options.Candidates) is { } left)
            console.WriteLine(left);
        console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{results.Count(r => r.Passed)} passed, {results.Count(r => r.Failed)} failed, " +
            $"{results.Count(r => r.Skipped is not null)} not supported, " +
            $"in {watch.Elapsed.TotalSeconds:F1} s"));
        return results;

        // One line a finding, however long, for those who search them.
        void Line(string text) => console.Profile.Out.Writer.WriteLine(PlainText.OneLine(text));
    }

    /// <summary>Why no case could run, where none could; else null.</summary>
    private static string? NothingVerified(List<ParityResult> results)
    {
        if (results.Any(r => r.Passed || r.Failed)) return null;
        var most = results.GroupBy(r => (r.Backend, r.Skipped)).MaxBy(g => g.Count());
        return most is null ? "error: nothing was verified: no case was selected." :
            $"error: nothing was verified: none of {results.Count} cases is supported, most " +
            $"often because '{most.Key.Backend}' lacks it: {most.Key.Skipped}. Choose another " +
            "--op, --case or --backend.";
    }

    private static Table Summary(List<ParityResult> results)
    {
        Table table = Terminal.Table(
            ["op", "direction", "backend", "passed", "failed", "lacks", "error"], words: 3);
        var groups = results.GroupBy(r => (r.Op, r.Direction, r.Backend))
            .OrderBy(g => g.Key.Op, StringComparer.Ordinal).ThenBy(g => g.Key.Direction)
            .ThenBy(g => g.Key.Backend, StringComparer.Ordinal);
        foreach (var group in groups)
        {
            double worst = group.Where(r => r.Skipped is null && r.RelL2 > 0)
                .Select(r => r.RelL2 / r.Tolerance).DefaultIfEmpty(0).Max();
            table.AddRow(
                Markup.Escape(group.Key.Op), group.Key.Direction.ToString().ToLowerInvariant(),
                Markup.Escape(group.Key.Backend), Count(group, r => r.Passed),
                Count(group, r => r.Failed),
                Count(group, r => r.Skipped is not null),
                worst.ToString("F2", CultureInfo.InvariantCulture));
        }

        return table;
    }

    private static string Count(IEnumerable<ParityResult> results, Func<ParityResult, bool> test) =>
        results.Count(test).ToString(CultureInfo.InvariantCulture);
}
