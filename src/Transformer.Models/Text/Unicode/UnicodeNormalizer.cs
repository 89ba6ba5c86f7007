using System.Text;

namespace Transformer.Models.Text.Unicode;

/// <summary>The four normalization forms (Unicode Standard Annex #15).</summary>
/// <remarks>Of our own, because the runtime's leaves text as it is where the host chose invariant
/// globalization: tokens must not depend on that.</remarks>
internal static class UnicodeNormalizer
{
    /// <summary>Whether a code point can be changed by, or change, the one before it.</summary>
    public static bool Joins(Rune rune) => UnicodeTables.Instance.Joins(rune.Value);

    /// <summary>A text in a normalization form.</summary>
    public static string Normalize(ReadOnlySpan<char> text, NormalizationForm form)
    {
        List<int> codes = new(text.Length + 4);
        bool compatible = form is NormalizationForm.FormKC or NormalizationForm.FormKD;
        foreach (Rune rune in text.EnumerateRunes())
            UnicodeTables.Instance.Decompose(rune.Value, compatible, codes);
        Order(codes);
        if (form is NormalizationForm.FormC or NormalizationForm.FormKC) Compose(codes);
        StringBuilder result = new(codes.Count);
        foreach (int code in codes) result.Append(new Rune(code).ToString());
        return result.ToString();
    }

    /// <summary>Sorts each run of combining marks by class, equal ones as they stood.</summary>
    private static void Order(List<int> codes)
    {
        UnicodeTables tables = UnicodeTables.Instance;
        for (int i = 1; i < codes.Count; i++)
        {
            int code = codes[i], order = tables.Class(code), place = i;
            if (order == 0) continue;
            for (; place > 0 && tables.Class(codes[place - 1]) > order; place--)
                codes[place] = codes[place - 1];
            codes[place] = code;
        }
    }

    /// <summary>Joins each starter with the marks after it that nothing blocks.</summary>
    private static void Compose(List<int> codes)
    {
        UnicodeTables tables = UnicodeTables.Instance;
        int starter = -1, count = 0, lastClass = 0;
        foreach (int code in codes.ToArray())
        {
            int order = tables.Class(code);
            // Blocked: a mark of the same or a higher class, or a starter, stands between.
            bool reaches = starter >= 0 &&
                (count == starter + 1 || (lastClass < order && lastClass != 0));
            if (reaches && tables.TryCompose(codes[starter], code, out int composed))
            {
                codes[starter] = composed;
                continue;
            }
            if (order == 0) starter = count;
            lastClass = order;
            codes[count++] = code;
        }
        codes.RemoveRange(count, codes.Count - count);
    }
}
