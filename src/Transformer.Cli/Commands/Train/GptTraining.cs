using System.Globalization;
using Spectre.Console;
using Transformer.Models;
using Transformer.Models.Text;
using Transformer.Models.Training;

namespace Transformer.Cli.Commands.Train;

/// <summary>One run of <c>train gpt</c>.</summary>
internal sealed class GptTraining(GptTrainOptions options, TrainingPlace place)
    : TrainingRun(place)
{
    /// <inheritdoc/>
    public override int Run(bool resume, CancellationToken cancellation)
    {
        string text = TextFiles.ReadText(options.Data!);
        CharacterTokenizer tokenizer = CharacterTokenizer.Train([text]);
        GptConfig config = options.Model with { Vocabulary = tokenizer.VocabularySize };
        config.Validate();
        (TokenDataset training, TokenDataset validation) =
            TokenDataset.Split(tokenizer.Encode(text));
        using TextGenerator generator =
            new(new Gpt(config, Place.Backend, options.Training.Seed), tokenizer);
        using GptTrainer trainer = new(
            generator.Model, training, validation, options.Training, Place.Folder.Checkpoints);
        if (!resume) Place.Folder.WriteSettings(Place.Settings);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{training.Count} tokens to learn, {validation.Count} to validate; vocabulary " +
            $"{config.Vocabulary}; {generator.Model.Parameters.Count:N0} parameters; on " +
            $"{Place.Backend.Name}"));
        return Train(trainer, () => generator.Save(Place.Folder.Path), resume, cancellation)
            ? Application.Done : Application.Interrupted;
    }
}
