using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Transformer.Cli.Tests.Readme;

/// <summary>Means of word vectors against a Transformer, as they were measured.</summary>
internal static class ClassifiersTable
{
    public static string Of(ResultFiles results)
    {
        StringBuilder table = new("| model | topic | who |\n| --- | ---: | ---: |\n");
        foreach (IGrouping<string, JsonElement> model in results.Read("classifiers.json")
            .GetProperty("rows").EnumerateArray()
            .GroupBy(row => row.GetProperty("model").GetString()!))
        {
            string Share(string task) => ResultFiles.Number(model.Single(
                row => row.GetProperty("task").GetString() == task), "accuracy", "0.0 %");
            table.Append(CultureInfo.InvariantCulture,
                $"| {model.Key} | {Share("topic")} | {Share("who")} |\n");
        }

        return table.ToString();
    }
}
