using System.Text;

namespace Transformer.Models.Text;

/// <summary>Joins words and punctuation marks with the spacing of English and Russian.</summary>
/// <remarks>Which side a straight quote stands on is found by pairing: the first opens, the next
/// closes. A last one without partner ends a word ("the dogs' owner"). Dashes stand between
/// spaces.</remarks>
internal static class WordJoiner
{
    [Flags]
    private enum Glue
    {
        None = 0,
        Left = 1,
        Right = 2,
        Both = Left | Right,
    }

    public static string Join(ReadOnlySpan<string> tokens)
    {
        StringBuilder text = new(tokens.Length * 6);
        Quotes quotes = new(tokens);
        Glue previous = Glue.Right;
        foreach (string token in tokens)
        {
            Glue glue = token is "\"" or "'" or "“"
                ? quotes.Next(token[0], isFirst: text.Length == 0)
                : Of(token);
            if (token == "„") quotes.LowQuoteOpen = true;
            bool touches = previous.HasFlag(Glue.Right) || glue.HasFlag(Glue.Left);
            if (!touches) text.Append(' ');
            text.Append(token);
            previous = glue;
        }
        return text.ToString();
    }

    private static Glue Of(string token) => token switch
    {
        "." or "," or "!" or "?" or ":" or ";" or "…" or ")" or "]" or "}" or "»" or "”" or "’" or
            "%" or "°" or "′" or "″" => Glue.Left,
        "(" or "[" or "{" or "«" or "„" or "‘" or "¿" or "¡" or "$" or "£" or "#" => Glue.Right,
        "/" or "@" or "\\" => Glue.Both,
        _ => Glue.None,
    };

    /// <summary>State of the quotes that are spelled alike on both sides.</summary>
    private struct Quotes
    {
        private int _doubleLeft;
        private int _singleLeft;
        private bool _doubleOpen;
        private bool _singleOpen;

        public Quotes(ReadOnlySpan<string> tokens)
        {
            _doubleLeft = tokens.Count("\"");
            _singleLeft = tokens.Count("'");
        }

        /// <summary>True after „ until its “, which closes there and opens elsewhere.</summary>
        public bool LowQuoteOpen { get; set; }

        public Glue Next(char quote, bool isFirst)
        {
            if (quote == '“')
            {
                bool closes = LowQuoteOpen;
                LowQuoteOpen = false;
                return closes ? Glue.Left : Glue.Right;
            }
            return quote == '"'
                ? Straight(ref _doubleLeft, ref _doubleOpen, isFirst)
                : Straight(ref _singleLeft, ref _singleOpen, isFirst);
        }

        private static Glue Straight(ref int left, ref bool open, bool isFirst)
        {
            bool hasPartner = --left > 0 || isFirst;
            open = !open && hasPartner;
            return open ? Glue.Right : Glue.Left;
        }
    }
}
