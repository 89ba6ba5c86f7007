using System.CommandLine;
using System.CommandLine.Parsing;
using Transformer.Cli.Output;

namespace Transformer.Cli.Commands.Train;

/// <summary><c>train seq2seq</c>.</summary>
internal static class TrainCommand
{
    private static readonly string[] Limits = ["epochs", "steps", "minutes"];

    /// <summary>Makes the command.</summary>
    public static Command Create() => new("train", "Train a model.") { CreateSeq2Seq() };

    private static Command CreateSeq2Seq()
    {
        Option<string> target = new("--out")
        {
            Description = "Folder for the model, its tokenizers and its checkpoints.",
            HelpName = "FOLDER",
            Required = true,
        };
        Option<string?> config = new("--config")
        {
            Description = "JSON file with settings named as the flags; flags win.",
            HelpName = "FILE",
        };
        Option<bool> resume = new("--resume")
        {
            Description = "Go on with the training in --out, with its settings.",
        };
        Option<string?> backend = CommonOptions.Backend();
        Option<string?> json = CommonOptions.Json();
        Command command = new("seq2seq", "Train an encoder-decoder model to translate.")
        {
            target, config, resume, backend, json,
        };
        Option<string?>[] flags = [.. TrainSettings.All.Select(Flag)];
        foreach (Option<string?> flag in flags) command.Add(flag);
        command.SetAction((parsed, cancellation) => Task.Run(() =>
        {
            JsonOutput result = new(parsed.GetValue(json));
            string folder = parsed.GetRequiredValue(target);
            bool goesOn = parsed.GetValue(resume);
            using TrainingFolder place = TrainingFolder.Open(folder, goesOn);
            Dictionary<string, string> settings = goesOn ? place.ReadSettings() : [];
            if (parsed.GetValue(config) is { } file) Add(settings, TrainSettingsFile.Read(file));
            Add(settings, Given(parsed, flags));
            Seq2SeqTraining training = new(
                Options(settings), settings, place, CommonOptions.Resolve(parsed.GetValue(backend)),
                Terminal.For(result, parsed.InvocationConfiguration.Output));
            int exitCode = training.Run(goesOn, cancellation);
            result.Write(parsed.InvocationConfiguration.Output, training.WriteJson);
            return exitCode;
        }, CancellationToken.None));
        return command;
    }

    private static Option<string?> Flag(TrainSetting setting) => new($"--{setting.Name}")
    {
        Description = setting.Description,
        HelpName = setting.ValueName,
        Arity = setting.Implied is null ? ArgumentArity.ExactlyOne : ArgumentArity.ZeroOrOne,
    };

    private static Dictionary<string, string> Given(ParseResult parsed, Option<string?>[] flags)
    {
        Dictionary<string, string> given = [];
        for (int i = 0; i < flags.Length; i++)
        {
            OptionResult? result = parsed.GetResult(flags[i]);
            if (result is null or { Implicit: true }) continue;
            TrainSetting setting = TrainSettings.All[i];
            given[setting.Name] = parsed.GetValue(flags[i]) ?? setting.Implied!;
        }

        return given;
    }

    /// <summary>Later settings win; a limit of the training replaces all earlier limits.</summary>
    private static void Add(Dictionary<string, string> settings, Dictionary<string, string> more)
    {
        if (Limits.Any(more.ContainsKey))
        {
            foreach (string limit in Limits) settings.Remove(limit);
        }

        foreach ((string name, string value) in more) settings[name] = value;
    }

    private static Seq2SeqTrainOptions Options(Dictionary<string, string> settings)
    {
        Seq2SeqTrainOptions options = new();
        if (Limits.Any(settings.ContainsKey) && !settings.ContainsKey("epochs"))
            options = options with { Training = options.Training with { Epochs = 0 } };
        foreach (TrainSetting setting in TrainSettings.All)
        {
            if (settings.TryGetValue(setting.Name, out string? value))
                options = setting.Apply(options, value);
        }

        if (options.BleuEvery < 0)
        {
            throw new ArgumentException(
                $"train seq2seq: 'bleu-every' is {options.BleuEvery}; expected 0 or more.");
        }

        options.Training.Validate();
        return options;
    }
}
