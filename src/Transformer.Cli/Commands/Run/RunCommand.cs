using System.CommandLine;
using Transformer.Backends;

namespace Transformer.Cli.Commands.Run;

/// <summary><c>run OP</c>: one kernel on NumPy files.</summary>
internal static class RunCommand
{
    /// <summary>Makes the command with one subcommand an op.</summary>
    public static Command Create() => new("run", "Run one kernel on NumPy .npy files.")
    {
        RunAttention.Create(),
        RunLayerNorm.Create(),
        RunLinear.Create(),
        RunGeluFeedForward.Create(),
        RunCrossEntropy.Create(),
        RunEmbedding.Create(),
        RunDropout.Create(),
        RunAdamW.Create(),
        RunGradientNorm.Create(),
    };
}

/// <summary>What the subcommands of <c>run</c> have in common.</summary>
internal sealed class RunOptions
{
    private readonly Option<string?> backend = CommonOptions.Backend();
    private readonly Option<bool> bfloat16 = new("--bf16")
    {
        Description = "Files of '<u2' hold bfloat16 bit patterns; results are written so, too.",
    };

    private readonly string name;

    /// <summary>Makes the options of one command and adds them to it.</summary>
    public RunOptions(Command command)
    {
        name = $"run {command.Name}";
        command.Add(backend);
        command.Add(bfloat16);
    }

    /// <summary>The files of one invocation.</summary>
    public NpyTensors Open(ParseResult parsed, out Backend chosen)
    {
        chosen = CommonOptions.Resolve(parsed.GetValue(backend));
        return new(name, chosen, parsed.GetValue(bfloat16));
    }

    /// <summary>An option that names a file to read or write.</summary>
    public static Option<string> Required(string option, string description) =>
        new(option) { Description = description, HelpName = "FILE", Required = true };

    /// <summary>An optional file.</summary>
    public static Option<string?> Optional(string option, string description) =>
        new(option) { Description = description, HelpName = "FILE" };
}
