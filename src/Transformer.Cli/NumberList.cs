using System.Globalization;

namespace Transformer.Cli;

/// <summary>Lists of whole numbers such as <c>4,2</c>.</summary>
internal static class NumberList
{
    /// <summary>Parses a list with a fixed range of lengths.</summary>
    /// <exception cref="ArgumentException">No such list; the message shows the form.</exception>
    public static int[] Parse(string what, string text, string form, int fewest, int most)
    {
        string[] parts = text.Split(',');
        int[] numbers = new int[parts.Length];
        bool fits = parts.Length >= fewest && parts.Length <= most;
        for (int i = 0; fits && i < parts.Length; i++)
        {
            fits = int.TryParse(
                parts[i], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture,
                out numbers[i]);
        }

        return fits ? numbers
            : throw new ArgumentException($"{what} is '{text}'; expected {form}, whole numbers.");
    }
}
