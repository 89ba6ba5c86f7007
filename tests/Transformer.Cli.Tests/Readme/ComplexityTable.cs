using System.Globalization;
using System.Text;
using System.Text.Json;
using Transformer.Cli.Commands;
using Transformer.Models.Measurement;

namespace Transformer.Cli.Tests.Readme;

/// <summary>Self-attention against a recurrent layer: complexities, the crossovers, and the times
/// at the longest and the shortest sequence of each width.</summary>
internal static class ComplexityTable
{
    public static string Of(ResultFiles results)
    {
        JsonElement result = results.Read("complexity.json");
        StringBuilder table = new("| layer | complexity | sequential operations | longest path |" +
            "\n| --- | --- | --- | --- |\n");
        foreach (JsonElement row in result.GetProperty("complexity").EnumerateArray())
        {
            string[] cells = [.. new[] { "layer", "complexity", "sequentialOperations",
                "longestPath" }.Select(name => row.GetProperty(name).GetString()!)];
            table.Append("| ").AppendJoin(" | ", cells).Append(" |\n");
        }

        LayerComplexityRow[] rows = [.. ComplexityCommand.ReadRows(result)];
        SequenceLayer[] layers = Enum.GetValues<SequenceLayer>();
        table.Append(CultureInfo.InvariantCulture,
            $"\n| d | n | {string.Join(" ms | ", layers.Select(ComplexityCommand.Name))} ms |\n")
            .Append("| ---: | ---: |").Insert(table.Length, " ---: |", layers.Length).Append('\n');
        int[] shown = [rows.Min(row => row.Length), rows.Max(row => row.Length)];
        foreach (var point in rows.Where(row => shown.Contains(row.Length))
            .GroupBy(row => (row.Width, row.Length)))
        {
            table.Append(CultureInfo.InvariantCulture,
                $"| {point.Key.Width} | {point.Key.Length} |");
            foreach (SequenceLayer layer in layers)
            {
                table.Append(CultureInfo.InvariantCulture,
                    $" {point.Single(row => row.Layer == layer).Milliseconds:0.000} |");
            }

            table.Append('\n');
        }

        table.Append("\n| d | n of equal time, attention alone | with its projections |\n")
            .Append("| ---: | ---: | ---: |\n");
        foreach (LayerCrossover row in LayerCrossover.Of(rows))
        {
            string Cell(double? length) => length is { } n ? ResultFiles.Text(n, "0")
                : string.Create(CultureInfo.InvariantCulture, $"beyond {row.LongestLength}");
            table.Append(CultureInfo.InvariantCulture,
                $"| {row.Width} | {Cell(row.Alone)} | {Cell(row.WithProjections)} |\n");
        }

        return table.ToString();
    }
}
