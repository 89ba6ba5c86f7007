using System.Text.Json;

namespace Transformer.Cli.Tests.Readme;

/// <summary>A row of peers.json.</summary>
internal sealed record PeerRow(JsonElement Row)
{
    /// <summary>Rows whose op is named; none where nothing was measured.</summary>
    public static PeerRow[] All(ResultFiles results) =>
        results.Find("peers.json") is not { } peers ? []
            : [.. peers.GetProperty("rows").EnumerateArray().Select(row => new PeerRow(row))];

    public string Op => Row.GetProperty("op").GetString()!;

    public string Shape => Row.GetProperty("shape").GetString()!;

    public double? OfLimit => ResultFiles.Value(Row, "ofLimit");

    public double? Milliseconds => Median(Row);

    public bool IsCausal => Sizes.TryGetProperty("causal", out JsonElement causal) &&
        causal.GetBoolean();

    public int Queries => Sizes.GetProperty("queries").GetInt32();

    private JsonElement Sizes => Row.GetProperty("sizes");

    /// <summary>A peer's fastest way: its name and median; null where it has none.</summary>
    public (string Variant, double Milliseconds)? Best(string peer)
    {
        (string, double)? best = null;
        foreach (JsonElement other in Row.GetProperty("others").EnumerateArray())
        {
            if (other.GetProperty("peer").GetString() != peer) continue;
            if (Median(other) is not { } ms || ms >= (best?.Item2 ?? double.MaxValue)) continue;
            best = (other.GetProperty("variant").GetString()!, ms);
        }

        return best;
    }

    /// <summary>A peer's time over ours; null where one of both is missing.</summary>
    public double? Ratio(string peer) => Best(peer)?.Milliseconds / Milliseconds;

    private static double? Median(JsonElement row) =>
        row.TryGetProperty("ms", out JsonElement ms) && ms.ValueKind == JsonValueKind.Object
            ? ms.GetProperty("median").GetDouble() : null;
}
