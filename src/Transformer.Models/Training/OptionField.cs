using System.Globalization;
using System.Numerics;
using System.Text.Json;

namespace Transformer.Models.Training;

/// <summary>One field of <see cref="TrainingOptions"/>: its name, and how it is read, written and
/// compared. One table of them serves JSON, the command line and resuming.</summary>
/// <param name="Name">As JSON spells it.</param>
/// <param name="Expected">What a value must be, for messages.</param>
/// <param name="Show">The value as JSON.</param>
/// <param name="TryRead">The options with the value of a JSON element; null: wrong type.</param>
internal sealed record OptionField(
    string Name, string Expected, Func<TrainingOptions, string> Show,
    Func<TrainingOptions, JsonElement, TrainingOptions?> TryRead)
{
    /// <summary>Whether a resumed training may set another value.</summary>
    public bool MayChange { get; private init; } = true;

    /// <summary>Whether the value is text rather than a number.</summary>
    public bool IsText { get; private init; }

    /// <summary>A number; without a fraction where <typeparamref name="T"/> is whole.</summary>
    public static OptionField Number<T>(
        string name, Func<TrainingOptions, T> get, Func<TrainingOptions, T, TrainingOptions> set)
        where T : struct, INumber<T> => new(
            name,
            typeof(T) == typeof(double) ? "a number"
                : typeof(T) == typeof(ulong) ? "a whole number from 0 to 2^64 - 1"
                : "a whole number",
            options => get(options).ToString(null, CultureInfo.InvariantCulture),
            (options, json) => json.ValueKind == JsonValueKind.Number
                && T.TryParse(json.GetRawText(), NumberStyles.Float,
                    CultureInfo.InvariantCulture, out T value)
                ? set(options, value)
                : null);

    /// <summary>The name of an enumeration's member, in any case.</summary>
    public static OptionField Choice<T>(
        string name, Func<TrainingOptions, T> get, Func<TrainingOptions, T, TrainingOptions> set)
        where T : struct, Enum => new(
            name, $"one of {string.Join(", ", Enum.GetNames<T>())}",
            options => $"\"{get(options)}\"",
            (options, json) => json.ValueKind == JsonValueKind.String
                && Enum.GetNames<T>().Contains(json.GetString(), StringComparer.OrdinalIgnoreCase)
                ? set(options, Enum.Parse<T>(json.GetString()!, ignoreCase: true))
                : null)
        { IsText = true };

    /// <summary>Any text.</summary>
    public static OptionField Text(
        string name, Func<TrainingOptions, string> get,
        Func<TrainingOptions, string, TrainingOptions> set) => new(
            name, "text in quotation marks",
            options => $"\"{JsonEncodedText.Encode(get(options))}\"",
            (options, json) => json.ValueKind == JsonValueKind.String
                ? set(options, json.GetString()!)
                : null)
        { IsText = true };

    /// <summary>The same field, which a resumed training may not change.</summary>
    public OptionField Fixed() => this with { MayChange = false };

    /// <summary>The options with a value read from JSON.</summary>
    /// <exception cref="InvalidDataException">The value has the wrong type.</exception>
    public TrainingOptions Read(TrainingOptions options, JsonElement json) =>
        TryRead(options, json) ?? throw new InvalidDataException(
            $"TrainingOptions: '{Name}' is {json.GetRawText()}; expected {Expected}.");

    /// <summary>Writes name and value.</summary>
    public void Write(Utf8JsonWriter json, TrainingOptions options)
    {
        json.WritePropertyName(Name);
        json.WriteRawValue(Show(options));
    }
}
