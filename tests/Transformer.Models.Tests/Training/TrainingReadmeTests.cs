using Transformer.Backends;
using Transformer.Models.Tests.Interchange;
using Transformer.Models.Text;
using Transformer.Models.Training;

namespace Transformer.Models.Tests.Training;

/// <summary>The README's code is the sample below, and its options are the defaults.</summary>
public sealed class TrainingReadmeTests
{
    [Fact]
    public void SampleRunsAndIsTheReadmesCode()
    {
        string[] source = File.ReadAllLines(Path.Combine(
            Root(), "tests/Transformer.Models.Tests/Training/TrainingReadmeTests.cs"));
        int first = Array.FindIndex(source, l => l.Trim() == "// sample") + 1;
        int last = Array.FindIndex(source, first, l => l.Trim() == "// end of sample");
        Assert.Contains($"```csharp\n{string.Concat(source[first..last].Select(
            l => (l.Length > 8 ? l[8..] : "") + "\n"))}```", Readme());

        WordTokenizer tokenizer = WordTokenizer.Train(["a b c d e"], new WordTokenizerOptions());
        using TemporaryFolder folder = new();
        using CopyModel model = new(BackendRegistry.Cpu);
        SentencePair[] pairs = [.. "abcde".SelectMany(
            x => "abcde", (x, y) => new SentencePair($"{x} {y}", $"{x} {y}"))];
        TrainingState state = Sample(
            model, tokenizer, pairs, pairs, folder.File("run"), CancellationToken.None);
        Assert.True(state.Step > 0 && state.BestStep > 0);
    }

    [Fact]
    public void ReadmeShowsTheDefaultOptions() =>
        Assert.Contains($"```json\n{new TrainingOptions().ToJson()}\n```", Readme());

    private static TrainingState Sample(
        ISeq2SeqTrainingModel model, ITokenizer tokenizer, SentencePair[] trainingPairs,
        SentencePair[] validationPairs, string folder, CancellationToken cancellation)
    {
        // sample
        ParallelDataset training =
            ParallelDataset.Encode(trainingPairs, tokenizer, tokenizer, maxPositions: 32);
        ParallelDataset validation =
            ParallelDataset.Encode(validationPairs, tokenizer, tokenizer, maxPositions: 32);
        TrainingOptions options = new() { Epochs = 5, Patience = 2, LearningRate = 2e-3 };
        using Seq2SeqTrainer trainer =
            new(model, training, validation, options, new CheckpointFolder(folder));
        trainer.Resume();                               // null where there is nothing to resume
        TrainingEnd end = trainer.Run(observer: null, cancellation);
        if (end != TrainingEnd.Cancelled) trainer.RestoreBest();
        // end of sample
        return trainer.State;
    }

    private static string Readme() => File.ReadAllText(
        Path.Combine(Root(), "src/Transformer.Models/Training/README.md"));

    private static string Root()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Transformer.sln")))
            folder = folder.Parent;
        return folder?.FullName ??
            throw new DirectoryNotFoundException($"No solution above {AppContext.BaseDirectory}.");
    }
}
