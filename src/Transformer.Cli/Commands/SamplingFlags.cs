using System.CommandLine;
using System.Globalization;
using Transformer.Models;

namespace Transformer.Cli.Commands;

/// <summary>How <c>generate</c> chooses tokens: drawn, or by <c>--beam</c>.</summary>
internal sealed class SamplingFlags
{
    private static readonly SamplingOptions Defaults = new();

    private readonly NumberOption<double> temperature = new("--temperature")
    {
        Description = "Below 1 likely tokens gain; 0 takes the most likely one.",
        HelpName = "X",
        DefaultValueFactory = _ => Defaults.Temperature,
    };

    private readonly NumberOption<int> topK = new("--top-k")
    {
        Description = "Draw from so many of the most likely tokens; 0: from all.",
        HelpName = "N",
    };

    private readonly NumberOption<double> topP = new("--top-p")
    {
        Description = "Draw from the most likely tokens of this probability together.",
        HelpName = "X",
        DefaultValueFactory = _ => Defaults.TopP,
    };

    private readonly NumberOption<double> repetitionPenalty = new("--repetition-penalty")
    {
        Description = "Above 1 tokens that the text has already become rarer.",
        HelpName = "X",
        DefaultValueFactory = _ => Defaults.RepetitionPenalty,
    };

    private readonly NumberOption<int> batch = new("--batch")
    {
        Description = "Texts continued together.",
        HelpName = "N",
        DefaultValueFactory = _ => Defaults.BatchRows,
    };

    private readonly NumberOption<ulong> seed = CommonOptions.Seed();

    private readonly OptionalNumberOption<int> beam = new("--beam")
    {
        Description = "Search the likeliest text with so many hypotheses instead of drawing one.",
        HelpName = "N",
    };

    private readonly NumberOption<double> lengthPenalty = new("--length-penalty")
    {
        Description = "Alpha of the length penalty of --beam; 0 favours short texts.",
        HelpName = "X",
        DefaultValueFactory = _ => new GenerationOptions().LengthPenalty,
    };

    /// <summary>Adds the options to a command.</summary>
    public SamplingFlags(Command command)
    {
        command.Add(temperature);
        command.Add(topK);
        command.Add(topP);
        command.Add(repetitionPenalty);
        command.Add(batch);
        command.Add(seed);
        command.Add(beam);
        command.Add(lengthPenalty);
    }

    /// <summary>The options of drawing.</summary>
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    public SamplingOptions Read(ParseResult parsed)
    {
        SamplingOptions options = new()
        {
            Temperature = parsed.GetValue(temperature),
            TopK = parsed.GetValue(topK),
            TopP = parsed.GetValue(topP),
            RepetitionPenalty = parsed.GetValue(repetitionPenalty),
            BatchRows = parsed.GetValue(batch),
            Seed = parsed.GetValue(seed),
        };
        options.Validate();
        return options;
    }

    /// <summary>The options of the beam; null where none is asked for.</summary>
    /// <exception cref="ArgumentException">A value is out of range, or options of drawing are
    /// given beside it.</exception>
    public GenerationOptions? ReadBeam(ParseResult parsed)
    {
        if (parsed.GetValue(beam) is not { } hypotheses)
        {
            if (parsed.GetResult(lengthPenalty) is { Implicit: false })
                throw new ArgumentException("generate: --length-penalty needs --beam.");
            return null;
        }

        foreach (Option option in (Option[])[temperature, topK, topP, repetitionPenalty, seed])
        {
            if (parsed.GetResult(option) is { Implicit: false })
            {
                throw new ArgumentException($"generate: {option.Name} does not go with --beam, " +
                    "which draws nothing. Leave one of them out.");
            }
        }

        int rows = parsed.GetValue(batch);
        if (rows < 1)
        {
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
                $"generate: --batch is {rows}; expected 1 or more."));
        }

        GenerationOptions options = new()
        {
            BeamSize = hypotheses,
            LengthPenalty = parsed.GetValue(lengthPenalty),
            BatchRows = (int)Math.Min((long)rows * Math.Max(1, hypotheses), int.MaxValue),
        };
        options.Validate();
        return options;
    }
}
