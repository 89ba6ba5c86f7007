using System.Runtime.InteropServices;
using System.Text;
using Transformer.Models.Text;

namespace Transformer.Models.Generation;

/// <summary>Turns tokens into text as they come: whole characters, and nothing of a stop string.
/// </summary>
internal sealed class TokenStream
{
    // The longest UTF-8 form of a character: byte-level tokens can be parts of one.
    private const int MostPartsOfACharacter = 4;

    private readonly ITokenizer tokenizer;
    private readonly IReadOnlyList<string> stops;
    private readonly List<int> parts = [];
    private readonly StringBuilder held = new();

    /// <summary>Begins.</summary>
    /// <param name="tokenizer">Decodes.</param>
    /// <param name="stops">Strings that end the text, not empty; the text ends before the first
    /// that appears.</param>
    public TokenStream(ITokenizer tokenizer, IReadOnlyList<string> stops)
    {
        this.tokenizer = tokenizer;
        this.stops = stops;
        foreach (string stop in stops)
        {
            if (!string.IsNullOrEmpty(stop)) continue;
            throw new ArgumentException(
                "TextGenerator: a stop string is empty; expected one character or more.");
        }
    }

    /// <summary>Whether a stop string has appeared.</summary>
    public bool Stopped { get; private set; }

    /// <summary>Adds a token.</summary>
    /// <returns>The text that is certain now; may be empty.</returns>
    public string Add(int token)
    {
        if (Stopped) return "";
        parts.Add(token);
        string text = tokenizer.Decode(CollectionsMarshal.AsSpan(parts));
        if (text.EndsWith((char)Rune.ReplacementChar.Value) && parts.Count < MostPartsOfACharacter)
            return "";
        parts.Clear();
        return Certain(text);
    }

    /// <summary>Ends the text.</summary>
    /// <returns>What was held back.</returns>
    public string Finish()
    {
        if (Stopped) return "";
        string text = parts.Count == 0
            ? "" : Certain(tokenizer.Decode(CollectionsMarshal.AsSpan(parts)));
        if (Stopped) return text;
        text += held;
        held.Clear();
        return text;
    }

    private string Certain(string added)
    {
        if (stops.Count == 0) return added;
        string text = held.Append(added).ToString();
        held.Clear();
        int end = text.Length;
        foreach (string stop in stops)
        {
            int found = text.IndexOf(stop, StringComparison.Ordinal);
            if (found < 0 || found >= end) continue;
            end = found;
            Stopped = true;
        }

        if (Stopped) return text[..end];
        int begin = text.Length - Longest(text);
        held.Append(text.AsSpan(begin));
        return text[..begin];
    }

    /// <summary>Characters at the end of a text that may be the beginning of a stop string.
    /// </summary>
    private int Longest(string text)
    {
        int longest = 0;
        foreach (string stop in stops)
        {
            for (int length = Math.Min(stop.Length - 1, text.Length); length > longest; length--)
            {
                if (text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length)))
                    longest = length;
            }
        }

        return longest;
    }
}
