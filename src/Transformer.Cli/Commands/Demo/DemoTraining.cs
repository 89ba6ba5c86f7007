using System.Globalization;
using Spectre.Console;
using Transformer.Backends;
using Transformer.Cli.Commands.Train;
using Transformer.Models;
using Transformer.Models.Graph;
using Transformer.Models.Text;
using Transformer.Models.Text.Corpus;
using Transformer.Models.Training;

namespace Transformer.Cli.Commands.Demo;

/// <summary>Trains the translator that <c>demo</c> shows.</summary>
internal static class DemoTraining
{
    private static readonly TrainingOptions Options = new()
    {
        Epochs = 0,
        MaxSteps = 1000,
        TokensPerBatch = 640,
        LearningRate = 1.5e-3,
        Schedule = LearningRateSchedule.Cosine,
        WarmupSteps = 100,
        LabelSmoothing = 0.05,
    };

    /// <summary>Learns tokenizers and weights from the training sentences alone.</summary>
    public static Translator Train(
        IAnsiConsole console, Backend backend, EnglishRussianCorpus corpus, ulong seed,
        double? seconds, CancellationToken cancellation)
    {
        Tokenizer source = WordTokenizer.Train(corpus.Training.Select(p => p.Source));
        Tokenizer target = WordTokenizer.Train(corpus.Training.Select(p => p.Target));
        Seq2SeqConfig config =
            Seq2SeqConfig.Tiny(source.VocabularySize, target.VocabularySize) with
            {
                MaxPositions = 32,
                Dropout = 0,
            };
        ParallelDataset pairs = ParallelDataset.Encode(
            TrainingText.Pairs(corpus.Training), source, target, config.MaxPositions);
        Translator translator = new(new Seq2SeqTransformer(config, backend, seed), source, target);
        try
        {
            Describe(console, translator, pairs);
            using Seq2SeqTrainer trainer = new(translator.Model, pairs, null, Options with
            {
                Seed = seed,
                MaxMinutes = seconds / 60 ?? 0,
            });
            TrainingEnd end = TrainingDisplay.Run(
                console, display => trainer.Run(display, cancellation));
            cancellation.ThrowIfCancellationRequested();
            console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{trainer.State.Step} steps (limit: {end.ToString().ToLowerInvariant()}), " +
                $"{trainer.State.TokensSeen:N0} target tokens"));
            return translator;
        }
        catch
        {
            translator.Dispose();
            throw;
        }
    }

    private static void Describe(IAnsiConsole console, Translator translator, ParallelDataset pairs)
    {
        const int Rows = 64, Length = 8;
        Seq2SeqConfig config = translator.Model.Config;
        console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{pairs.Count:N0} English-Russian pairs; {config.SourceVocabulary} and " +
            $"{config.TargetVocabulary} words; {config.EncoderLayers} + {config.DecoderLayers} " +
            $"layers, width {config.Width}, {config.Heads} heads, feed-forward " +
            $"{config.FeedForwardWidth}; {translator.Model.Parameters.Count:N0} parameters; on " +
            $"{translator.Model.Backend.Name}"));
        MemoryPlan plan = translator.Model
            .TrainingGraph(Rows, Length, Length, Options.LabelSmoothing).Plan;
        console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"memory plan of the training graph [{Rows}, {Length}]: {plan.PlannedBytes:N0} bytes " +
            $"planned, {plan.NaiveBytes:N0} naive " +
            $"({100.0 * plan.PlannedBytes / plan.NaiveBytes:F0} %)"));
    }
}
