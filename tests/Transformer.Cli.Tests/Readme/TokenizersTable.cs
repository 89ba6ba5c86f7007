using System.Text;
using System.Text.Json;

namespace Transformer.Cli.Tests.Readme;

/// <summary>What tokenizers were measured at: their speed, and what vocabularies cost.</summary>
internal static class TokenizersTable
{
    /// <summary>Megabytes a second of each kind.</summary>
    public static string Speed(ResultFiles results) => Table(
        results.Read("tokenizers.json"),
        "| tokenizer | tokens | whole text | line by line | line by line, just loaded | " +
        "all lines, all threads | decoding |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        row =>
        [
            row.GetProperty("kind"), row.GetProperty("vocabulary"), Number(row, "wholeMBs"),
            Number(row, "linesMBs"), Number(row, "firstMBs"), Number(row, "batchMBs"),
            Number(row, "decodeMBs"),
        ]);

    /// <summary>Sizes of vocabulary against the length of sequences.</summary>
    public static string Vocabularies(ResultFiles results) => Table(
        results.Read("tokenizer-report.json"),
        "| tokens | tokens a line | characters a token | uses that 95 % of the pieces reach | " +
        "pieces used less than ten times |\n| ---: | ---: | ---: | ---: | ---: |\n",
        row =>
        [
            row.GetProperty("vocabularySize"), Number(row, "tokensPerLine"),
            Number(row, "charactersPerToken"), row.GetProperty("tail"), row.GetProperty("rare"),
        ]);

    private static string Number(JsonElement row, string property) =>
        ResultFiles.Number(row, property, "0.0");

    private static string Table(
        JsonElement result, string head, Func<JsonElement, object[]> cells)
    {
        StringBuilder table = new(head);
        foreach (JsonElement row in result.GetProperty("rows").EnumerateArray())
            table.Append("| ").AppendJoin(" | ", cells(row)).Append(" |\n");
        return table.ToString();
    }
}
