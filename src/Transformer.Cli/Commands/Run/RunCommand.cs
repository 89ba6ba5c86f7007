using System.CommandLine;
using Transformer.Backends;
using Transformer.Cli.Output;

namespace Transformer.Cli.Commands.Run;

/// <summary><c>run OP</c>: one kernel on NumPy files.</summary>
internal static class RunCommand
{
    /// <summary>Makes the command with one subcommand an op.</summary>
    public static Command Create() => new("run", "Run one kernel on NumPy .npy files.")
    {
        RunAttention.Create(),
        RunLayerNorm.Create(),
        RunRmsNorm.Create(),
        RunGelu.Create(),
        RunSoftmax.Create(),
        RunSoftmax.CreateLog(),
        RunLinear.Create(),
        RunGeluFeedForward.Create(),
        RunCrossEntropy.Create(),
        RunNllLoss.Create(),
        RunEmbedding.Create(),
        RunRotary.Create(),
        RunDropout.Create(),
        RunAdamW.Create(),
        RunGradientNorm.Create(),
    };
}

/// <summary>What the subcommands of <c>run</c> have in common.</summary>
internal sealed class RunOptions
{
    // Multiply-adds that the reference does in about a third of a second on one core.
    private const long SmallWork = 1L << 28;

    private readonly Option<string?> backend = new("--backend")
    {
        Description = "Backend to run on; by default the best available (see 'devices'), small " +
            "calls on 'reference'.",
        HelpName = "NAME",
    };

    private readonly Option<bool> bfloat16 = new("--bf16")
    {
        Description = "Files of '<u2' hold bfloat16 bit patterns; results are written so, too.",
    };

    private readonly Command command;
    private readonly string name;

    /// <summary>Makes the options of one command and adds them to it.</summary>
    public RunOptions(Command command)
    {
        this.command = command;
        name = $"run {command.Name}";
        command.Add(backend);
        command.Add(bfloat16);
    }

    /// <summary>The files of one invocation.</summary>
    /// <exception cref="ArgumentException">Two results go to one file.</exception>
    /// <exception cref="IOException">A result's file cannot be made.</exception>
    public NpyTensors Open(ParseResult parsed, out Backend chosen)
    {
        RequireOutputs(parsed);
        chosen = CommonOptions.Resolve(parsed.GetValue(backend));
        return new(name, chosen, parsed.GetValue(bfloat16));
    }

    /// <summary>
    /// Where a call runs that binary32 may answer less exactly than rtol 1e-5, atol 1e-6: on the
    /// reference, if nobody named a backend and its double precision costs no time worth speaking
    /// of; else on the chosen one.
    /// </summary>
    /// <param name="parsed">The invocation.</param>
    /// <param name="chosen">What <see cref="Open"/> gave; owns the tensors.</param>
    /// <param name="work">Multiply-adds of the call.</param>
    public Backend ForWork(ParseResult parsed, Backend chosen, long work)
    {
        bool exact = parsed.GetValue(backend) is null && work <= SmallWork &&
            chosen.Memory == BackendMemory.Host;
        return exact ? BackendRegistry.Find("reference") : chosen;
    }

    /// <summary>An option that names a file to read or write.</summary>
    public static Option<string> Required(string option, string description) =>
        new(option) { Description = description, HelpName = "FILE", Required = true };

    private void RequireOutputs(ParseResult parsed)
    {
        Dictionary<string, string> taken = [];
        foreach (Option option in command.Options)
        {
            bool written = option.Name.EndsWith("-out", StringComparison.Ordinal);
            if (!written || option is not Option<string> file) continue;
            if (parsed.GetValue(file) is not { } path) continue;
            OutputFile.Require($"{name}: {option.Name}", path);
            string full = Path.GetFullPath(path);
            if (taken.TryGetValue(full, out string? other))
            {
                throw new ArgumentException($"{name}: {other} and {option.Name} both name " +
                    $"'{path}'. Give each result a file of its own.");
            }

            taken.Add(full, option.Name);
        }
    }

    /// <summary>An optional file.</summary>
    public static Option<string?> Optional(string option, string description) =>
        new(option) { Description = description, HelpName = "FILE" };
}
