using System.CommandLine;
using System.Globalization;
using Transformer.Models;

namespace Transformer.Cli.Commands;

/// <summary><c>generate</c>: continues a text, shown as it is written.</summary>
internal static class GenerateCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<string> model = CommonOptions.Model();
        Argument<string> prompt = new("PROMPT")
        {
            Description = "Beginning of the text.",
        };
        NumberOption<int> tokens = new("--tokens")
        {
            Description = "Tokens to add.",
            HelpName = "N",
            DefaultValueFactory = _ => 200,
        };
        NumberOption<double> temperature = new("--temperature")
        {
            Description = "Below 1 likely tokens gain; 0 takes the most likely one.",
            HelpName = "X",
            DefaultValueFactory = _ => new SamplingOptions().Temperature,
        };
        NumberOption<int> topK = new("--top-k")
        {
            Description = "Draw from so many of the most likely tokens; 0: from all.",
            HelpName = "N",
        };
        NumberOption<double> topP = new("--top-p")
        {
            Description = "Draw from the most likely tokens of this probability together.",
            HelpName = "X",
            DefaultValueFactory = _ => new SamplingOptions().TopP,
        };
        NumberOption<ulong> seed = CommonOptions.Seed();
        Option<string?> backend = CommonOptions.Backend();
        Command command = new("generate", "Continue a text with a decoder-only model.")
        {
            prompt, model, tokens, temperature, topK, topP, seed, backend,
        };
        command.SetAction((parsed, cancellation) => Task.Run(() =>
        {
            string text = parsed.GetRequiredValue(prompt);
            if (text.Length == 0)
                throw new ArgumentException("generate: the prompt is empty; expected some text.");
            int count = parsed.GetValue(tokens);
            if (count < 1)
            {
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
                    $"generate: --tokens is {count}; expected 1 or more."));
            }

            SamplingOptions options = new()
            {
                Temperature = parsed.GetValue(temperature),
                TopK = parsed.GetValue(topK),
                TopP = parsed.GetValue(topP),
                Seed = parsed.GetValue(seed),
            };
            options.Validate();
            using TextGenerator generator = TextGenerator.Load(
                parsed.GetRequiredValue(model), CommonOptions.Resolve(parsed.GetValue(backend)));
            TextWriter output = parsed.InvocationConfiguration.Output;
            TranslateCommand.NoteUnknownWords(
                [text], generator.Tokenizer, parsed.InvocationConfiguration.Error);
            output.Write(text);
            foreach (string piece in generator.Continue(text, count, options))
            {
                cancellation.ThrowIfCancellationRequested();
                output.Write(piece);
                output.Flush();
            }

            output.WriteLine();
            return Application.Done;
        }, CancellationToken.None));
        return command;
    }
}
