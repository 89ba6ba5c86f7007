using Transformer.Models.Text;

namespace Transformer.Cli.Output;

/// <summary>Single tokens as people read them.</summary>
internal static class TokenText
{
    /// <summary>The text of a token, on one line; its spelling in the tokenizer's file where it is
    /// special, or only part of a character.</summary>
    public static string Of(ITokenizer tokenizer, int id)
    {
        string text = tokenizer.Decode([id]).Trim();
        if (text.Length == 0 || text.Contains('\uFFFD')) text = tokenizer.Token(id);
        return string.IsNullOrWhiteSpace(text)
            ? string.Concat(text.Select(Visible)) : PlainText.OneLine(text);
    }

    /// <summary>The texts of many tokens.</summary>
    public static string[] Of(ITokenizer tokenizer, ReadOnlySpan<int> ids)
    {
        string[] texts = new string[ids.Length];
        for (int i = 0; i < texts.Length; i++) texts[i] = Of(tokenizer, ids[i]);
        return texts;
    }

    private static char Visible(char blank) => blank switch
    {
        '\n' => '⏎',
        '\t' => '⇥',
        _ => '␣',
    };
}
