using System.Text;
using System.Text.Json;

namespace Transformer.Models.Text;

/// <summary>The normalizer section of a tokenizer.json file.</summary>
internal static class NormalizerFile
{
    private const string Bert = "BertNormalizer";
    private const string SeveralSpaces = " {2,}";

    private static readonly (string Name, NormalizationForm Form)[] Forms =
    [
        ("NFC", NormalizationForm.FormC), ("NFD", NormalizationForm.FormD),
        ("NFKC", NormalizationForm.FormKC), ("NFKD", NormalizationForm.FormKD),
    ];

    /// <summary>The steps in the only order that is supported.</summary>
    private enum Step
    {
        Nmt,
        Form,
        StripAccents,
        Lowercase,
        Replace,
        Strip,
    }

    /// <summary>Writes what <see cref="Read"/> reads.</summary>
    public static void Write(Utf8JsonWriter json, TextNormalizer normalizer)
    {
        if (normalizer.IsIdentity)
        {
            json.WriteNull("normalizer");
            return;
        }
        if (normalizer.CleanText || normalizer.SplitChinese)
        {
            json.WriteStartObject("normalizer");
            json.WriteString("type", Bert);
            json.WriteBoolean("clean_text", normalizer.CleanText);
            json.WriteBoolean("handle_chinese_chars", normalizer.SplitChinese);
            json.WriteBoolean("strip_accents", normalizer.StripAccents);
            json.WriteBoolean("lowercase", normalizer.Lowercase);
            json.WriteEndObject();
            return;
        }
        Step[] steps = [.. Enum.GetValues<Step>().Where(step => Has(normalizer, step))];
        if (steps.Length == 1)
        {
            json.WritePropertyName("normalizer");
            Write(json, normalizer, steps[0]);
            return;
        }
        json.WriteStartObject("normalizer");
        json.WriteString("type", "Sequence");
        json.WriteStartArray("normalizers");
        foreach (Step step in steps) Write(json, normalizer, step);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Reads the section; refuses steps and orders that are not supported.</summary>
    public static TextNormalizer Read(TokenizerFile file)
    {
        string? type = file.TypeOf(file.Root, "normalizer");
        if (type is null) return new();
        JsonElement section = file.Root.GetProperty("normalizer");
        if (type == Bert) return ReadBert(section);
        List<JsonElement> steps = [];
        Flatten(file, section, steps);
        Settings result = default;
        Step? last = null;
        foreach (JsonElement step in steps)
        {
            string name = step.GetProperty("type").GetString()!;
            (Step kind, Settings next) = ReadStep(file, step, name, result);
            file.Require(
                last is null || last < kind,
                $"has normalizer '{name}' in an order that is not supported; expected " +
                "Nmt, a normalization form, StripAccents, Lowercase, Replace, Strip.");
            (last, result) = (kind, next);
        }
        return result.Make();
    }

    private static TextNormalizer ReadBert(JsonElement section)
    {
        bool lowercase = IsTrue(section, "lowercase", absent: true);
        return new()
        {
            CleanText = IsTrue(section, "clean_text", absent: true),
            SplitChinese = IsTrue(section, "handle_chinese_chars", absent: true),
            StripAccents = IsTrue(section, "strip_accents", absent: lowercase),
            Lowercase = lowercase,
        };
    }

    private static void Flatten(TokenizerFile file, JsonElement section, List<JsonElement> steps)
    {
        bool isTyped = section.ValueKind == JsonValueKind.Object &&
            section.TryGetProperty("type", out JsonElement type) &&
            type.ValueKind == JsonValueKind.String;
        file.Require(isTyped, "has a normalizer without a 'type'.");
        if (!section.GetProperty("type").ValueEquals("Sequence"))
        {
            steps.Add(section);
            return;
        }
        bool isList = section.TryGetProperty("normalizers", out JsonElement parts) &&
            parts.ValueKind == JsonValueKind.Array;
        file.Require(isList, "has a normalizer 'Sequence' without 'normalizers'.");
        foreach (JsonElement part in parts.EnumerateArray()) Flatten(file, part, steps);
    }

    private static (Step Kind, Settings Result) ReadStep(
        TokenizerFile file, JsonElement step, string name, Settings before)
    {
        switch (name)
        {
            case "Nmt":
                return (Step.Nmt, before with { CleanSeparators = true });
            case "NFC" or "NFD" or "NFKC" or "NFKD":
                NormalizationForm form = Forms.First(entry => entry.Name == name).Form;
                return (Step.Form, before with { Form = form });
            case "StripAccents":
                file.Require(
                    before.Form is NormalizationForm.FormD or NormalizationForm.FormKD,
                    "has normalizer 'StripAccents' without NFD or NFKD before it, which is not " +
                    "supported.");
                return (Step.StripAccents, before with { StripAccents = true });
            case "Lowercase":
                return (Step.Lowercase, before with { Lowercase = true });
            case "Replace":
                file.Require(
                    IsCollapse(step),
                    $"has a normalizer 'Replace' other than '{SeveralSpaces}' by one space, the " +
                    "only one supported.");
                return (Step.Replace, before with { CollapseSpaces = true });
            case "Strip":
                bool both = IsTrue(step, "strip_left", absent: true) &&
                    IsTrue(step, "strip_right", absent: true);
                file.Require(both, "has a normalizer 'Strip' of one side, which is not supported.");
                return (Step.Strip, before with { Trim = true });
            default:
                throw file.Error($"has normalizer '{name}', which is not supported; expected " +
                    "BertNormalizer, Nmt, NFC, NFD, NFKC, NFKD, StripAccents, Lowercase, Replace " +
                    "or Strip.");
        }
    }

    private static bool IsCollapse(JsonElement step) =>
        step.TryGetProperty("pattern", out JsonElement pattern) &&
        pattern.ValueKind == JsonValueKind.Object &&
        pattern.TryGetProperty("Regex", out JsonElement regex) &&
        regex.ValueKind == JsonValueKind.String && regex.ValueEquals(SeveralSpaces) &&
        step.TryGetProperty("content", out JsonElement content) &&
        content.ValueKind == JsonValueKind.String && content.ValueEquals(" ");

    private static bool IsTrue(JsonElement section, string name, bool absent) =>
        section.TryGetProperty(name, out JsonElement value) &&
        value.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? value.GetBoolean() : absent;

    private static bool Has(TextNormalizer normalizer, Step step) => step switch
    {
        Step.Nmt => normalizer.CleanSeparators,
        Step.Form => normalizer.Form is not null || normalizer.StripAccents,
        Step.StripAccents => normalizer.StripAccents,
        Step.Lowercase => normalizer.Lowercase,
        Step.Replace => normalizer.CollapseSpaces,
        _ => normalizer.Trim,
    };

    private static void Write(Utf8JsonWriter json, TextNormalizer normalizer, Step step)
    {
        json.WriteStartObject();
        NormalizationForm form = normalizer.Form ?? NormalizationForm.FormD;
        json.WriteString("type", step == Step.Form
            ? Forms.First(entry => entry.Form == form).Name : step.ToString());
        if (step == Step.Replace)
        {
            json.WriteStartObject("pattern");
            json.WriteString("Regex", SeveralSpaces);
            json.WriteEndObject();
            json.WriteString("content", " ");
        }
        if (step == Step.Strip)
        {
            json.WriteBoolean("strip_left", true);
            json.WriteBoolean("strip_right", true);
        }
        json.WriteEndObject();
    }

    /// <summary>The steps read so far.</summary>
    private readonly record struct Settings(
        bool CleanSeparators, NormalizationForm? Form, bool StripAccents, bool Lowercase,
        bool CollapseSpaces, bool Trim)
    {
        public TextNormalizer Make() => new()
        {
            CleanSeparators = CleanSeparators,
            Form = Form,
            StripAccents = StripAccents,
            Lowercase = Lowercase,
            CollapseSpaces = CollapseSpaces,
            Trim = Trim,
        };
    }
}
