using System.Text;
using System.Text.Json;

namespace Transformer.Cli.Tests.Readme;

/// <summary>Every row of peers.json, each peer by its fastest way.</summary>
internal static class PeersTable
{
    public static string Of(ResultFiles results)
    {
        if (results.Find("peers.json") is not { } report) return "Not measured yet.\n";
        string[] peers = [.. report.GetProperty("peers").EnumerateArray().Skip(1)
            .Select(peer => peer.GetProperty("name").GetString()!)];
        StringBuilder table = new();
        table.Append($"{Versions(report)}\n\n");
        table.Append("| op | shape | ms | of limit |");
        foreach (string peer in peers) table.Append($" {peer} ms | ratio | by |");
        table.Append("\n| --- | --- | ---: | ---: |")
            .Insert(table.Length, " ---: | ---: | --- |", peers.Length).Append('\n');
        foreach (PeerRow row in PeerRow.All(results))
        {
            table.Append($"| {row.Op} | {row.Shape} | {Milliseconds(row.Milliseconds)} ");
            table.Append($"| {Text(row.OfLimit, "0 %")} |");
            foreach (string peer in peers)
            {
                (string Variant, double Milliseconds)? best = row.Best(peer);
                table.Append($" {Milliseconds(best?.Milliseconds)} ");
                table.Append($"| {Text(row.Ratio(peer), "0.00×")} | {best?.Variant ?? "–"} |");
            }

            table.Append('\n');
        }

        return table.ToString();
    }

    private static string Versions(JsonElement report)
    {
        JsonElement machine = report.GetProperty("machine");
        IEnumerable<string> versions = report.GetProperty("peers").EnumerateArray()
            .SelectMany(peer => peer.GetProperty("versions").EnumerateObject())
            .Select(version => $"{version.Name} {version.Value.GetString()!.Split('+')[0]}");
        return $"{ResultFiles.Number(report, "threads", "0")} threads, " +
            $"{ResultFiles.Number(machine, "fmaPeakGflops", "0")} GFLOP/s, copy " +
            $"{ResultFiles.Number(machine, "copyGBs", "0.0")} GB/s, read " +
            $"{ResultFiles.Number(machine, "readGBs", "0.0")} GB/s; {string.Join(", ", versions)}.";
    }

    private static string Milliseconds(double? ms) =>
        Text(ms, ms < 1 ? "0.000" : ms < 100 ? "0.00" : "0");

    private static string Text(double? value, string format) =>
        value is { } known ? ResultFiles.Text(known, format) : "–";
}
