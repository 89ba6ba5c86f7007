using System.CommandLine;
using System.Globalization;
using Transformer.Cli.Output;

namespace Transformer.Cli.Commands.Demo;

/// <summary><c>demo</c>: everything once, in at most two minutes on two cores.</summary>
internal static class DemoCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        NumberOption<ulong> seed = CommonOptions.Seed();
        seed.DefaultValueFactory = _ => 1;
        OptionalNumberOption<double> seconds = new("--seconds")
        {
            Description = "Ends the training after this time; by default after a fixed number " +
                "of steps, so that the same seed gives the same model. The translations must " +
                "still be 95 % exact.",
            HelpName = "S",
        };
        Option<string?> backend = CommonOptions.Backend();
        Command command = new("demo", "Devices, parity, training of a translator, translations, " +
            "attention and speed: about a minute on two free cores.")
        {
            seed, seconds, backend,
        };
        command.SetAction((parsed, cancellation) => Task.Run(() =>
        {
            double? limit = parsed.GetValue(seconds);
            if (limit is { } given && !(given > 0 && given < 1e6))
            {
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
                    $"demo: --seconds is {given}; expected more than 0 and less than 1e6."));
            }

            DemoRun run = new(
                Terminal.On(parsed.InvocationConfiguration.Output),
                CommonOptions.Resolve(parsed.GetValue(backend)), parsed.GetValue(seed), limit);
            return run.Run(cancellation);
        }, CancellationToken.None));
        return command;
    }
}
