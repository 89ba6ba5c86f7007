using Transformer.Backends;
using Transformer.Models.Tests.Interchange;
using Transformer.Models.Text;
using Transformer.Models.Training;

namespace Transformer.Models.Tests.Models;

public sealed class TranslatorTests
{
    private static readonly (string Source, string Target)[] Pairs =
    [
        ("I am a student", "Я студент"), ("You are a teacher", "Ты учитель"),
        ("I see the house", "Я вижу дом"), ("You see the cat", "Ты видишь кота"),
        ("The cat sleeps", "Кот спит"), ("The house is old", "Дом старый"),
    ];

    private static readonly WordTokenizer Source =
        WordTokenizer.Train(Pairs.Select(p => p.Source));

    private static readonly WordTokenizer Target =
        WordTokenizer.Train(Pairs.Select(p => p.Target));

    [Fact]
    public void LearnsToTranslate_AndKeepsItInAFolder()
    {
        using TemporaryFolder folder = new();
        using Translator translator = Make(seed: 1);
        Train(translator, steps: 60);
        string[] lines = [.. Pairs.Select(p => p.Source)];
        string[] expected = [.. Pairs.Select(p => p.Target)];
        Assert.Equal(expected, translator.Translate(lines, GenerationOptions.Greedy));
        Assert.Equal(expected, translator.Translate(lines));

        translator.Save(folder.Path);
        using Translator loaded = Translator.Load(folder.Path);
        Assert.Equal("Я студент", loaded.Translate("I am a student"));
        Assert.Equal(expected, loaded.Translate(lines));
        Assert.Equal(
            ["config.json", "model.safetensors", "source.tokenizer.json", "target.tokenizer.json"],
            folder.Names());
    }

    [Fact]
    public void BlankLines_StayBlank()
    {
        using Translator translator = Make(seed: 2);
        string[] lines = translator.Translate(["", "I see", "  ", "xyz?"]);
        Assert.Equal(4, lines.Length);
        Assert.Equal(("", ""), (lines[0], lines[2]));
        Assert.Equal(lines[1], translator.Translate("I see"));
        Assert.Empty(translator.Translate((IReadOnlyList<string>)[]));
    }

    [Fact]
    public void LongLines_AreRefusedByNumber()
    {
        using Translator translator = Make(seed: 2);
        string line = string.Join(' ', Enumerable.Repeat("cat", 32));
        Assert.Equal(
            "Translator: line 3 has 33 tokens; the model has 32 positions. Split the sentence, " +
            "or train a model with a larger maxPositions.",
            Assert.Throws<ArgumentException>(
                () => translator.Translate(["I am", "", line])).Message);
    }

    [Fact]
    public void JointTokenizer_IsOneFile()
    {
        using TemporaryFolder folder = new();
        WordTokenizer joint =
            WordTokenizer.Train(Pairs.SelectMany(p => (string[])[p.Source, p.Target]));
        using (Translator separate = Make(seed: 3)) separate.Save(folder.Path);
        Seq2SeqConfig config = Config(joint, joint) with { TieEmbeddings = true };
        using Translator translator =
            new(new(config, BackendRegistry.Cpu, 4), joint, joint);
        translator.Save(folder.Path);
        Assert.Equal(["config.json", "model.safetensors", "tokenizer.json"], folder.Names());
        using Translator loaded = Translator.Load(folder.Path, BackendRegistry.Cpu);
        Assert.Same(loaded.SourceTokenizer, loaded.TargetTokenizer);
        Assert.Equal(translator.Translate("I am a cat"), loaded.Translate("I am a cat"));
    }

    [Fact]
    public void OtherTokenizers_AreRefused()
    {
        using Seq2SeqTransformer model = new(Config(Source, Target), BackendRegistry.Cpu, 1);
        Assert.Equal(
            $"Translator: the source tokenizer has {Target.VocabularySize} tokens; the model has " +
            $"{Source.VocabularySize}. Use the tokenizer that the model was trained with.",
            Assert.Throws<ArgumentException>(() => new Translator(model, Target, Target)).Message);
        using Seq2SeqTransformer other = new(
            Config(Source, Target) with { BosId = 3, EosId = 2 }, BackendRegistry.Cpu, 1);
        Assert.Contains("<bos>=2 <eos>=3; the model has", Assert.Throws<ArgumentException>(
            () => new Translator(other, Source, Target)).Message);
    }

    [Fact]
    public void FolderOfMixedFiles_IsRefused()
    {
        using TemporaryFolder folder = new();
        using (Translator translator = Make(seed: 3)) translator.Save(folder.Path);
        Target.Save(folder.File("source.tokenizer.json"));
        Assert.StartsWith($"'{folder.Path}': Translator: the source tokenizer has ",
            Assert.Throws<InvalidDataException>(() => Translator.Load(folder.Path)).Message);
        File.Delete(folder.File("source.tokenizer.json"));
        Assert.Contains("source.tokenizer.json",
            Assert.Throws<FileNotFoundException>(() => Translator.Load(folder.Path)).Message);
    }

    private static Seq2SeqConfig Config(ITokenizer source, ITokenizer target) => new()
    {
        SourceVocabulary = source.VocabularySize,
        TargetVocabulary = target.VocabularySize,
        EncoderLayers = 1,
        DecoderLayers = 1,
        Width = 32,
        Heads = 2,
        FeedForwardWidth = 64,
        MaxPositions = 32,
        Dropout = 0,
    };

    private static Translator Make(ulong seed) =>
        new(new(Config(Source, Target), BackendRegistry.Cpu, seed), Source, Target);

    private static void Train(Translator translator, int steps)
    {
        ParallelDataset pairs = ParallelDataset.Encode(Pairs, Source, Target, 32);
        using Seq2SeqTrainer trainer = new(translator.Model, pairs, pairs, new()
        {
            Epochs = 0,
            MaxSteps = steps,
            TokensPerBatch = 256,
            Schedule = LearningRateSchedule.Constant,
            WarmupSteps = 0,
            LearningRate = 0.01,
            LabelSmoothing = 0,
            ClipNorm = 1,
        });
        trainer.Run();
    }
}
