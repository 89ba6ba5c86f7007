using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Transformer.Models.Interchange;

namespace Transformer.Cli.Output;

/// <summary>Attention as one interactive page that needs nothing else: choose kind, layer and head,
/// point at a token.</summary>
internal static class AttentionPage
{
    private const string Resource = "Transformer.Cli.Output.AttentionPage.html";
    private const string DataMark = "@data";

    /// <summary>Writes the page.</summary>
    /// <param name="path">The file.</param>
    /// <param name="grids">All heads of all layers, by kind, layer and head.</param>
    /// <param name="kind">The kind to begin with.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void Write(string path, IReadOnlyList<AttentionGrid> grids, string kind)
    {
        using Stream resource =
            typeof(AttentionPage).Assembly.GetManifestResourceStream(Resource)!;
        using StreamReader reader = new(resource);
        string[] parts = reader.ReadToEnd().Split(DataMark);
        AtomicFile.Write(path, stream =>
        {
            stream.Write(Encoding.UTF8.GetBytes(parts[0]));
            // The writer's own escaping leaves no '<' that could end the script element.
            using (Utf8JsonWriter json = new(stream)) WriteData(json, grids, kind);
            stream.Write(Encoding.UTF8.GetBytes(parts[1]));
        });
    }

    private static void WriteData(
        Utf8JsonWriter json, IReadOnlyList<AttentionGrid> grids, string kind)
    {
        IGrouping<string, AttentionGrid>[] kinds = [.. grids.GroupBy(grid => grid.Kind)];
        json.WriteStartObject();
        json.WriteNumber("kind", Math.Max(0, Array.FindIndex(kinds, k => k.Key == kind)));
        json.WriteStartArray("kinds");
        foreach (IGrouping<string, AttentionGrid> of in kinds)
        {
            json.WriteStartObject();
            json.WriteString("name", of.Key);
            AttentionJson.WriteTexts(json, "rows", of.First().Rows);
            AttentionJson.WriteTexts(json, "columns", of.First().Columns);
            json.WriteStartArray("weights");
            foreach (IGrouping<int, AttentionGrid> layer in of.GroupBy(grid => grid.Layer))
            {
                json.WriteStartArray();
                foreach (AttentionGrid head in layer)
                    json.WriteBase64StringValue(Shares(head.Weights));
                json.WriteEndArray();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Weights in steps of 1/65535, two bytes each, the low one first.</summary>
    private static byte[] Shares(float[,] weights)
    {
        byte[] bytes = new byte[sizeof(ushort) * weights.Length];
        int place = 0;
        foreach (float weight in weights)
        {
            double share = float.IsFinite(weight) ? Math.Clamp(weight, 0, 1) : 0;
            BinaryPrimitives.WriteUInt16LittleEndian(
                bytes.AsSpan(place), (ushort)Math.Round(share * ushort.MaxValue));
            place += sizeof(ushort);
        }

        return bytes;
    }
}
