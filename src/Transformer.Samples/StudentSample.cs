using System.Globalization;
using Transformer.Backends;
using Transformer.Models;
using Transformer.Models.Graph;
using Transformer.Models.Text;
using Transformer.Models.Training;

namespace Transformer.Samples;

/// <summary><c>I am a student</c>: a translator learns a few sentences and writes one, word by
/// word.</summary>
public static class StudentSample
{
    private const string Sentence = "I am a student";

    private static readonly (string Source, string Target)[] Pairs =
    [
        (Sentence, "Я студент"), ("I am a doctor", "Я врач"), ("you are a student", "Ты студент"),
        ("you are a doctor", "Ты врач"), ("she is a doctor", "Она врач"),
        ("I read a book", "Я читаю книгу"), ("she reads a book", "Она читает книгу"),
    ];

    /// <summary>Trains the model and shows how it translates.</summary>
    public static void Run(TextWriter output)
    {
        WordTokenizer english = WordTokenizer.Train(Pairs.Select(pair => pair.Source));
        WordTokenizer russian = WordTokenizer.Train(Pairs.Select(pair => pair.Target));
        Seq2SeqConfig config =
            Seq2SeqConfig.Tiny(english.VocabularySize, russian.VocabularySize) with
            {
                EncoderLayers = 1,
                DecoderLayers = 1,
                Width = 32,
                Heads = 2,
                FeedForwardWidth = 128,
                MaxPositions = 16,
                Dropout = 0,
            };
        using Translator translator = new(
            new Seq2SeqTransformer(config, BackendRegistry.Cpu, seed: 1), english, russian);
        using Seq2SeqTrainer trainer = new(translator.Model,
            ParallelDataset.Encode(Pairs, english, russian, config.MaxPositions), null,
            SampleTraining.Options(steps: 120, tokens: 64));
        trainer.Run();
        Show(output, translator);
    }

    private static void Show(TextWriter output, Translator translator)
    {
        ITokenizer english = translator.SourceTokenizer, russian = translator.TargetTokenizer;
        int[] source = translator.EncodeSource(Sentence);
        output.WriteLine($"text    {Sentence}");
        output.WriteLine($"tokens  {string.Join(" · ", source.Select(english.Token))}");
        output.WriteLine($"ids     {string.Join(' ', source)}");

        // The decoder reads what it has written; its last row tells the next word.
        SpecialTokens special = russian.Special;
        List<int> read = [special.Bos];
        while (read[^1] != special.Eos && read.Count < translator.Model.Config.MaxPositions)
        {
            float[] next = Next(translator.Model, source, [.. read]);
            int word = SampleTraining.Largest(next);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"reads {string.Join(' ', read.Select(russian.Token)),-18} writes " +
                $"{russian.Token(word),-8} {100 * next[word]:F1} %"));
            read.Add(word);
        }

        output.WriteLine($"{Sentence} → {translator.Translate(Sentence)}");
    }

    private static float[] Next(Seq2SeqTransformer model, int[] source, int[] read)
    {
        CompiledGraph graph = model.EvaluationGraph(1, source.Length, read.Length);
        graph.Feed<int>("source", source);
        graph.Feed<int>("sourceLengths", [source.Length]);
        graph.Feed<int>("target", read);
        graph.Feed<int>("labels", read);
        graph.Forward();
        return SampleTraining.Probabilities(graph, model.Config.TargetVocabulary)[^1];
    }
}
