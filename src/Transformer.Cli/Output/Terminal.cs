using Spectre.Console;

namespace Transformer.Cli.Output;

/// <summary>Text for people: colours and tables on a terminal, plain text elsewhere.</summary>
internal static class Terminal
{
    /// <summary>A console on the given writer.</summary>
    public static IAnsiConsole On(TextWriter writer)
    {
        bool terminal = ReferenceEquals(writer, Console.Out) && !Console.IsOutputRedirected;
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(writer),
            Ansi = terminal ? AnsiSupport.Detect : AnsiSupport.No,
            Interactive = terminal ? InteractionSupport.Detect : InteractionSupport.No,
        });

        // A file has no width of its own: never wrap rows there.
        if (!terminal) console.Profile.Width = 200;
        return console;
    }

    /// <summary>A table that stays readable at 80 columns: no frame, and nothing wraps but the
    /// columns named.</summary>
    /// <param name="headers">Headers; figures go right, so put words first.</param>
    /// <param name="words">How many of the columns, from the left, hold words.</param>
    /// <param name="wrapping">The header of the one column that may wrap, or null.</param>
    public static Table Table(string[] headers, int words, string? wrapping = null)
    {
        Table table = new() { Border = TableBorder.None };
        for (int i = 0; i < headers.Length; i++)
        {
            TableColumn column = new(new Text(headers[i], new Style(decoration: Decoration.Bold)))
            {
                NoWrap = headers[i] != wrapping,
                Alignment = i < words ? Justify.Left : Justify.Right,
                Padding = new Padding(0, 0, i < headers.Length - 1 ? 2 : 0, 0),
            };
            table.AddColumn(column);
        }

        return table;
    }

    /// <summary>A console that prints nothing where standard output belongs to JSON.</summary>
    public static IAnsiConsole For(JsonOutput json, TextWriter output) =>
        On(json.OwnsStandardOutput ? TextWriter.Null : output);
}
