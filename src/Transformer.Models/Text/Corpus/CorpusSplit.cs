namespace Transformer.Models.Text.Corpus;

/// <summary>Where a sentence belongs.</summary>
internal enum CorpusPart
{
    Training,
    Validation,
    Test,

    /// <summary>Nowhere: it joins a combination of validation with one of test.</summary>
    None,
}

/// <summary>Assigns each combination of content words to one part, by a hash of it alone.</summary>
internal static class CorpusSplit
{
    /// <summary>Of 1,000 combinations, those for test and as many for validation.</summary>
    private const int HeldOutPerThousand = 30;

    private static readonly string s_student =
        PersonTemplates.OccupationKey(Pronoun.All[0], People.Occupations[0]);

    /// <summary>The part that all combinations in a sentence leave it to.</summary>
    public static CorpusPart Of(IReadOnlyList<string> keys)
    {
        CorpusPart part = CorpusPart.Training;
        foreach (string key in keys)
        {
            CorpusPart next = Of(key);
            if (next == CorpusPart.Training || next == part) continue;
            part = part == CorpusPart.Training ? next : CorpusPart.None;
        }
        return part;
    }

    /// <summary>The part of one combination; "I am a student" is for test.</summary>
    public static CorpusPart Of(string key) => (Hash(key) % 1000) switch
    {
        _ when key == s_student => CorpusPart.Test,
        < HeldOutPerThousand => CorpusPart.Test,
        < 2 * HeldOutPerThousand => CorpusPart.Validation,
        _ => CorpusPart.Training,
    };

    /// <summary>FNV-1a over the characters, then mixed; keys are ASCII.</summary>
    private static ulong Hash(string key)
    {
        ulong hash = 0xCBF29CE484222325;
        foreach (char letter in key) hash = (hash ^ letter) * 0x100000001B3;
        return SplitMix64.Mix(hash);
    }
}
