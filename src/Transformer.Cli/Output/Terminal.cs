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

    /// <summary>A console that prints nothing where standard output belongs to JSON.</summary>
    public static IAnsiConsole For(JsonOutput json, TextWriter output) =>
        On(json.OwnsStandardOutput ? TextWriter.Null : output);
}
