namespace Transformer.Cli.Tests;

/// <summary>What a command came to.</summary>
public sealed record CommandResult(int ExitCode, string Output, string Error)
{
    public string[] OutputLines =>
        Output.Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Asserts exit code 2 and one line of error that contains all the parts.</summary>
    public void IsBadInput(params string[] parts)
    {
        Assert.True(ExitCode == Application.BadInput, $"exit code {ExitCode}: {Output}{Error}");
        string line = Assert.Single(
            Error.Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith("error: ", line, StringComparison.Ordinal);
        Assert.All(parts, part => Assert.Contains(part, line, StringComparison.Ordinal));
    }

    public CommandResult Succeeded()
    {
        Assert.True(ExitCode == Application.Done, $"exit code {ExitCode}: {Output}{Error}");
        return this;
    }
}

public static class CommandLine
{
    public static CommandResult Run(params string[] arguments)
    {
        using StringWriter output = new(), error = new();
        int exitCode = Application.Run(arguments, output, error);
        return new(exitCode, output.ToString(), error.ToString());
    }
}
