using System.Globalization;
using Spectre.Console;
using Transformer.Models;
using Transformer.Models.Text;
using Transformer.Models.Training;

namespace Transformer.Cli.Commands.Train;

/// <summary>One run of <c>train bert</c>.</summary>
internal sealed class BertTraining(BertTrainOptions options, TrainingPlace place)
    : TrainingRun(place)
{
    /// <inheritdoc/>
    public override int Run(bool resume, CancellationToken cancellation)
    {
        string[] lines = TextFiles.ReadLines(options.Data!);
        Tokenizer tokenizer = options.Tokenizer is { } file ? Tokenizer.Load(file) : Learn(lines);
        TokenMasking masking = new(tokenizer);
        BertConfig config = options.Model with
        {
            Vocabulary = tokenizer.VocabularySize,
            PadId = masking.Tokens.Pad,
        };
        config.Validate();
        (string[] first, string[] rest) = SentenceDataset.Split(lines, share: 0.1);
        SentenceDataset training = SentenceDataset.Encode(first, tokenizer);
        SentenceDataset validation = SentenceDataset.Encode(rest, tokenizer);
        using MaskFiller filler =
            new(new Bert(config, Place.Backend, options.Training.Seed), tokenizer);
        using BertTrainer trainer = new(filler.Model, training, validation, masking,
            options.Training, Place.Folder.Checkpoints);
        if (!resume) Place.Folder.WriteSettings(Place.Settings);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{training.Count} sentences of {training.Documents} documents to learn, " +
            $"{validation.Count} to validate; vocabulary {config.Vocabulary}; " +
            $"{filler.Model.Parameters.Count:N0} parameters; on {Place.Backend.Name}"));
        return Train(trainer, () => filler.Save(Place.Folder.Path), resume, cancellation)
            ? Application.Done : Application.Interrupted;
    }

    private WordTokenizer Learn(string[] lines)
    {
        WordTokenizerOptions words = new()
        {
            Lowercase = options.Lowercase,
            MoreSpecialTokens = BertTokens.Names,
        };
        if (options.Vocabulary is { } most) words = words with { VocabularySize = most };
        return WordTokenizer.Train(lines, words);
    }
}
