using System.Text.Json;

namespace Transformer.Cli.Output;

/// <summary>Attention for programs.</summary>
internal static class AttentionJson
{
    /// <summary>Writes the grids as a JSON object.</summary>
    public static void Write(Utf8JsonWriter json, IReadOnlyList<AttentionGrid> grids)
    {
        json.WriteStartObject();
        json.WriteStartArray("maps");
        foreach (AttentionGrid grid in grids)
        {
            json.WriteStartObject();
            json.WriteString("kind", grid.Kind);
            json.WriteNumber("layer", grid.Layer);
            json.WriteNumber("head", grid.Head);
            WriteTexts(json, "rows", grid.Rows);
            WriteTexts(json, "columns", grid.Columns);
            WriteValues(json, "weights", grid.Weights);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Writes an array of texts.</summary>
    public static void WriteTexts(Utf8JsonWriter json, string name, string[] texts)
    {
        json.WriteStartArray(name);
        foreach (string text in texts) json.WriteStringValue(text);
        json.WriteEndArray();
    }

    /// <summary>Writes an array of rows; null stands for what is not finite.</summary>
    public static void WriteValues(Utf8JsonWriter json, string name, float[,] values)
    {
        json.WriteStartArray(name);
        for (int row = 0; row < values.GetLength(0); row++)
        {
            json.WriteStartArray();
            for (int column = 0; column < values.GetLength(1); column++)
            {
                float value = values[row, column];
                if (float.IsFinite(value)) json.WriteNumberValue(value);
                else json.WriteNullValue();
            }

            json.WriteEndArray();
        }

        json.WriteEndArray();
    }
}
