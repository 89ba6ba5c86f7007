using Transformer.Backends;
using Transformer.Models;
using Transformer.Models.Graph;
using Transformer.Models.Text;
using Transformer.Models.Training;

namespace Transformer.Cuda.Tests;

/// <summary>A hundred steps of training on the emulated device and on the CPU, and what the models
/// then write.</summary>
public sealed class TrainingTests
{
    /// <summary>‖difference‖ / ‖weights‖ of a parameter after all steps.</summary>
    /// <remarks>A step's gradients differ by about 1e-6 of their size: both round sums of some
    /// hundred terms, in other orders. Adam divides by a gradient's own size, so that weights with
    /// small gradients feel that most, and each step starts from the difference of the last.
    /// </remarks>
    private const double Bound = 1e-3;

    private const int Vocabulary = 12;

    private static readonly TrainingOptions Options = new()
    {
        Epochs = 0, MaxSteps = 100, TokensPerBatch = 32, LearningRate = 0.003, WarmupSteps = 10,
        LabelSmoothing = 0.1, WeightDecay = 0.01,
    };

    [SkippableFact]
    public void Translator_LearnsTheSameOnBoth()
    {
        Backend device = EmulatedDevice.Require();
        (int[], int[])[] pairs = [.. Enumerable.Range(0, 16).Select(Pair)];
        ParallelDataset data = new(pairs, SpecialTokens.Default, maxPositions: 8);
        Seq2SeqConfig config = new()
        {
            SourceVocabulary = Vocabulary, TargetVocabulary = Vocabulary, EncoderLayers = 1,
            DecoderLayers = 1, Width = 16, Heads = 2, FeedForwardWidth = 32, MaxPositions = 8,
            Dropout = 0.1,
        };
        using Seq2SeqTransformer expected = Train(BackendRegistry.Cpu);
        using Seq2SeqTransformer actual = Train(device);

        Agree(expected.Parameters, actual.Parameters);
        int[][] sources = [.. pairs.Select(pair => pair.Item1)];
        Assert.Equal(expected.Greedy(sources), actual.Greedy(sources));

        Seq2SeqTransformer Train(Backend backend)
        {
            Seq2SeqTransformer model = new(config, backend, seed: 5);
            using Seq2SeqTrainer trainer = new(model, data, null, Options);
            trainer.Run();
            return model;
        }
    }

    [SkippableFact]
    public void Gpt_LearnsTheSameOnBoth()
    {
        Backend device = EmulatedDevice.Require();
        TokenDataset text = new([.. Enumerable.Range(0, 200).Select(i => i * i % Vocabulary)]);
        GptConfig config = new()
        {
            Vocabulary = Vocabulary, Positions = 8, Layers = 1, Heads = 2, Width = 16,
        };
        using Gpt expected = Train(BackendRegistry.Cpu), actual = Train(device);

        Agree(expected.Parameters, actual.Parameters);
        SamplingOptions sampling = new() { Temperature = 0.8, TopK = 5, Seed = 2 };
        Assert.Equal(
            expected.Generate([1, 4], 20, sampling), actual.Generate([1, 4], 20, sampling));

        Gpt Train(Backend backend)
        {
            Gpt model = new(config, backend, seed: 5);
            using GptTrainer trainer = new(model, text, null, Options);
            trainer.Run();
            return model;
        }
    }

    [SkippableFact]
    public void Bert_LearnsTheSameOnBoth()
    {
        Backend device = EmulatedDevice.Require();
        WordTokenizer tokenizer = WordTokenizer.Train(
            ["a b c d e f"], new() { MoreSpecialTokens = BertTokens.Names });
        SentenceDataset text = SentenceDataset.Encode(Sentences(), tokenizer);
        TokenMasking masking = new(tokenizer);
        BertConfig config = new()
        {
            Vocabulary = tokenizer.VocabularySize, Positions = 12, Layers = 1, Heads = 2,
            Width = 16, Dropout = 0.1,
        };
        using MaskFiller expected = Train(BackendRegistry.Cpu), actual = Train(device);

        Agree(expected.Model.Parameters, actual.Model.Parameters);
        string[] guesses = [.. expected.Fill("b [MASK] e")[0].Select(guess => guess.Text)];
        Assert.Equal(guesses, actual.Fill("b [MASK] e")[0].Select(guess => guess.Text));
        Assert.Equal(expected.FollowsProbability("a b d", "b c e"),
            actual.FollowsProbability("a b d", "b c e"), Bound);

        MaskFiller Train(Backend backend)
        {
            Bert model = new(config, backend, seed: 5);
            using BertTrainer trainer = new(model, text, null, masking, Options);
            trainer.Run();
            return new(model, tokenizer);
        }

        // Documents of six sentences that go through the letters.
        static IEnumerable<string> Sentences()
        {
            for (int i = 0; i < 42; i++)
                yield return i % 7 == 6 ? "" : $"{Letter(i)} {Letter(i + 1)} {Letter(i + 3)}";
        }

        static char Letter(int i) => (char)('a' + (i % 6));
    }

    /// <summary>The target is the source backwards.</summary>
    private static (int[] Source, int[] Target) Pair(int number)
    {
        int[] ids =
            [.. Enumerable.Range(0, 3 + (number % 4)).Select(i => 4 + ((number * (i + 3)) % 8))];
        return (ids, [.. ids.Reverse()]);
    }

    private static void Agree(ParameterSet expected, ParameterSet actual)
    {
        foreach ((Parameter one, Parameter other) in expected.All.Zip(actual.All))
        {
            // A key's bias moves all scores of a row alike, which softmax takes out again: its
            // gradient is 0 but for rounding, and Adam makes steps of full length of that.
            if (one.Name.EndsWith("key.bias", StringComparison.Ordinal)) continue;
            double error = Math.Sqrt(Values(one).Zip(Values(other))
                .Sum(pair => Math.Pow(pair.First - pair.Second, 2)));
            double size = Math.Sqrt(Values(one).Sum(value => Math.Pow(value, 2)));
            Assert.True(error <= Bound * size, $"{one.Name}: {error} of {size}");
        }
    }

    private static float[] Values(Parameter parameter)
    {
        float[] values = new float[parameter.Shape.ElementCount];
        parameter.CopyTo(values);
        return values;
    }
}
