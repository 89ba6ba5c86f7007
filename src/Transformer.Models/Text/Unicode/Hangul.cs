namespace Transformer.Models.Text.Unicode;

/// <summary>Korean syllables, which are composed by arithmetic (Unicode Standard, §3.12).
/// </summary>
internal static class Hangul
{
    private const int FirstSyllable = 0xAC00, FirstLead = 0x1100, FirstVowel = 0x1161;
    private const int FirstTail = 0x11A7;
    private const int Leads = 19, Vowels = 21, Tails = 28;

    /// <summary>Vowels and tails, which join what stands before them.</summary>
    public static IEnumerable<int> Seconds { get; } =
        [.. Enumerable.Range(FirstVowel, Vowels), .. Enumerable.Range(FirstTail + 1, Tails - 1)];

    /// <summary>Adds the parts of a syllable; false for anything else.</summary>
    public static bool TryDecompose(int code, List<int> into)
    {
        int index = code - FirstSyllable;
        if ((uint)index >= Leads * Vowels * Tails) return false;
        into.Add(FirstLead + (index / (Vowels * Tails)));
        into.Add(FirstVowel + (index / Tails % Vowels));
        if (index % Tails != 0) into.Add(FirstTail + (index % Tails));
        return true;
    }

    /// <summary>The syllable of a lead and a vowel, or of such a syllable and a tail.</summary>
    public static bool TryCompose(int first, int second, out int syllable)
    {
        int lead = first - FirstLead, vowel = second - FirstVowel;
        if ((uint)lead < Leads && (uint)vowel < Vowels)
        {
            syllable = FirstSyllable + (((lead * Vowels) + vowel) * Tails);
            return true;
        }
        int open = first - FirstSyllable, tail = second - FirstTail;
        syllable = first + tail;
        return (uint)open < Leads * Vowels * Tails && open % Tails == 0 && tail is > 0 and < Tails;
    }
}
