using System.CommandLine;
using System.CommandLine.Parsing;
using Transformer.Cli.Output;

namespace Transformer.Cli.Commands.Train;

/// <summary><c>train seq2seq</c>, <c>gpt</c>, <c>bert</c> and <c>classifier</c>.</summary>
internal static class TrainCommand
{
    private static readonly string[] Limits = ["epochs", "steps", "minutes"];

    /// <summary>Makes the command.</summary>
    public static Command Create() => new("train", "Train a model.")
    {
        Create("seq2seq", "Train an encoder-decoder model to translate.",
            Seq2SeqTrainSettings.All, (options, place) => new Seq2SeqTraining(options, place)),
        Create("gpt", "Train a decoder-only model to continue text.",
            GptTrainSettings.All, (options, place) => new GptTraining(options, place)),
        Create("bert", "Pre-train an encoder-only model: masked words, and which text follows.",
            BertTrainSettings.All, (options, place) => new BertTraining(options, place)),
        Create("classifier", "Fine-tune a pre-trained model to tell classes of texts.",
            ClassifierTrainSettings.All,
            (options, place) => new ClassifierTraining(options, place)),
    };

    private static Command Create<TOptions>(
        string name, string description, IReadOnlyList<TrainSetting<TOptions>> settings,
        Func<TOptions, TrainingPlace, TrainingRun> prepare)
        where TOptions : ITrainOptions<TOptions>
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
        Command command = new(name, description) { target, config, resume, backend, json };
        Option<string?>[] flags = [.. settings.Select(Flag)];
        foreach (Option<string?> flag in flags) command.Add(flag);
        command.SetAction((parsed, cancellation) => Task.Run(() =>
        {
            JsonOutput result = new(parsed.GetValue(json));
            bool goesOn = parsed.GetValue(resume);
            string[] names = [.. settings.Select(s => s.Name)];
            using TrainingFolder folder = TrainingFolder.Open(
                TOptions.Command, parsed.GetRequiredValue(target), goesOn);
            Dictionary<string, string> values = goesOn ? folder.ReadSettings(names) : [];
            if (parsed.GetValue(config) is { } file)
                Add(values, TrainSettingsFile.Read(file, names));
            Add(values, Given(parsed, settings, flags));
            TrainingRun run = prepare(Options(values, settings), new(
                values, folder, CommonOptions.Resolve(parsed.GetValue(backend)),
                Terminal.For(result, parsed.InvocationConfiguration.Output)));
            int exitCode = run.Run(goesOn, cancellation);
            result.Write(parsed.InvocationConfiguration.Output, run.WriteJson);
            return exitCode;
        }, CancellationToken.None));
        return command;
    }

    private static Option<string?> Flag<TOptions>(TrainSetting<TOptions> setting)
        where TOptions : ITrainOptions<TOptions> => new($"--{setting.Name}")
        {
            Description = setting.Description,
            HelpName = setting.ValueName,
            Arity = setting.Implied is null ? ArgumentArity.ExactlyOne : ArgumentArity.ZeroOrOne,
        };

    private static Dictionary<string, string> Given<TOptions>(
        ParseResult parsed, IReadOnlyList<TrainSetting<TOptions>> settings,
        Option<string?>[] flags)
        where TOptions : ITrainOptions<TOptions>
    {
        Dictionary<string, string> given = [];
        for (int i = 0; i < flags.Length; i++)
        {
            OptionResult? result = parsed.GetResult(flags[i]);
            if (result is null or { Implicit: true }) continue;
            given[settings[i].Name] = parsed.GetValue(flags[i]) ?? settings[i].Implied!;
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

    private static TOptions Options<TOptions>(
        Dictionary<string, string> values, IReadOnlyList<TrainSetting<TOptions>> settings)
        where TOptions : ITrainOptions<TOptions>
    {
        TOptions options = TOptions.Default;
        if (Limits.Any(values.ContainsKey) && !values.ContainsKey("epochs"))
            options = options.WithTraining(options.Training with { Epochs = 0 });
        foreach (TrainSetting<TOptions> setting in settings)
        {
            if (values.TryGetValue(setting.Name, out string? value))
                options = setting.Apply(options, value);
        }

        options.Validate();
        return options;
    }
}
