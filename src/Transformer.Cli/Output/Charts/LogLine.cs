namespace Transformer.Cli.Output.Charts;

/// <summary>A line of characters with letters at the places of values on a logarithmic axis.
/// </summary>
internal static class LogLine
{
    private const int Columns = 60;

    /// <summary>Draws it; where letters meet, the later one is seen.</summary>
    /// <param name="least">Value at the first column, above 0.</param>
    /// <param name="most">Value at the last one.</param>
    /// <param name="marks">Letters and their values, from least to most.</param>
    public static string Of(
        double least, double most, params ReadOnlySpan<(char Letter, double Value)> marks)
    {
        Span<char> line = stackalloc char[Columns];
        line.Fill('·');
        double range = Math.Max(Math.Log(most / least), double.Epsilon);
        foreach ((char letter, double value) in marks)
        {
            double share = Math.Log(value / least) / range;
            line[(int)Math.Round(share * (Columns - 1))] = letter;
        }

        return line.ToString();
    }
}
