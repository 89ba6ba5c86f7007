using System.CommandLine;
using System.Globalization;
using Transformer.Models;

namespace Transformer.Cli.Commands;

/// <summary><c>--beam</c>, <c>--length-penalty</c> and <c>--max-length</c>.</summary>
internal sealed class GenerationFlags
{
    private readonly string command;
    private readonly NumberOption<int> beam = new("--beam")
    {
        Description = "Hypotheses kept a sentence; 1 is greedy.",
        HelpName = "N",
        DefaultValueFactory = _ => new GenerationOptions().BeamSize,
    };

    private readonly NumberOption<double> lengthPenalty = new("--length-penalty")
    {
        Description = "Alpha of the length penalty; 0 favours short sentences.",
        HelpName = "X",
        DefaultValueFactory = _ => new GenerationOptions().LengthPenalty,
    };

    private readonly OptionalNumberOption<int> maxLength = new("--max-length")
    {
        Description = "Most tokens of a translation; by default 50 more than the source has.",
        HelpName = "N",
    };

    /// <summary>Adds the options to a command.</summary>
    public GenerationFlags(Command command)
    {
        this.command = command.Name;
        command.Add(beam);
        command.Add(lengthPenalty);
        command.Add(maxLength);
    }

    /// <summary>The options as given.</summary>
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    public GenerationOptions Read(ParseResult parsed)
    {
        if (parsed.GetValue(maxLength) is { } length and < 1)
        {
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
                $"{command}: --max-length is {length}; expected 1 or more."));
        }

        GenerationOptions options = new()
        {
            BeamSize = parsed.GetValue(beam),
            LengthPenalty = parsed.GetValue(lengthPenalty),
            MaxLength = parsed.GetValue(maxLength) ?? 0,
        };
        options.Validate();
        return options;
    }
}
