using System.Text.Json;

namespace Transformer.Models.Training;

/// <summary>Finds where two JSON objects differ.</summary>
internal static class ConfigComparison
{
    /// <summary>The first field of the first object, then of the second, that the other has not
    /// or has with another value; null: none.</summary>
    public static (string Field, string First, string Second)? FirstDifference(
        string first, string second)
    {
        using JsonDocument a = JsonDocument.Parse(first), b = JsonDocument.Parse(second);
        return FirstDifference("", a.RootElement, b.RootElement);
    }

    private static (string, string, string)? FirstDifference(
        string path, JsonElement a, JsonElement b)
    {
        if (a.ValueKind != JsonValueKind.Object || b.ValueKind != JsonValueKind.Object)
            return JsonElement.DeepEquals(a, b) ? null : (path, a.GetRawText(), b.GetRawText());
        string prefix = path.Length == 0 ? "" : path + ".";
        foreach (JsonProperty field in a.EnumerateObject())
        {
            if (!b.TryGetProperty(field.Name, out JsonElement other))
                return (prefix + field.Name, field.Value.GetRawText(), "absent");
            if (FirstDifference(prefix + field.Name, field.Value, other) is { } difference)
                return difference;
        }

        foreach (JsonProperty field in b.EnumerateObject())
        {
            if (!a.TryGetProperty(field.Name, out _))
                return (prefix + field.Name, "absent", field.Value.GetRawText());
        }

        return null;
    }
}
