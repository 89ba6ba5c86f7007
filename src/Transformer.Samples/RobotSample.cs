using System.Globalization;
using Transformer.Backends;
using Transformer.Models;
using Transformer.Models.Graph;
using Transformer.Models.Text;
using Transformer.Models.Training;

namespace Transformer.Samples;

/// <summary><c>Robot must obey orders</c>: what a decoder-only model reads, the next tokens that
/// are its labels, and what it predicts once it has learned them.</summary>
public static class RobotSample
{
    private const string Robot = "Robot must obey orders", Student = "I am a student";
    private const int Repetitions = 40;

    /// <summary>Trains the model and shows features, labels and predictions.</summary>
    public static void Run(TextWriter output)
    {
        WordTokenizer tokenizer = WordTokenizer.Train([Robot, Student]);
        SpecialTokens special = tokenizer.Special;
        int[] text = [.. Enumerable.Repeat<string[]>([Robot, Student], Repetitions)
            .SelectMany(sentences => sentences)
            .SelectMany(s => (int[])[special.Bos, .. tokenizer.Encode(s), special.Eos])];
        using Gpt model = new(new()
        {
            Vocabulary = tokenizer.VocabularySize,
            Positions = 12,
            Layers = 1,
            Heads = 2,
            Width = 32,
        }, BackendRegistry.Cpu, seed: 1);
        using GptTrainer trainer = new(model, new TokenDataset(text), null,
            SampleTraining.Options(steps: 150, tokens: 96));
        trainer.Run();
        ShowLabels(output, model, tokenizer);
        output.WriteLine();
        ShowTargets(output, model, tokenizer);
    }

    /// <summary>Each beginning of the sentence is an example; its label is the token after it.
    /// </summary>
    private static void ShowLabels(TextWriter output, Gpt model, WordTokenizer tokenizer)
    {
        (int[] read, int[] labels, float[][] shares) = Predict(model, tokenizer, Robot);
        output.WriteLine("reads                          label    predicted");
        for (int i = 1; i < read.Length; i++)
        {
            string features = string.Join(' ', read[1..(i + 1)].Select(tokenizer.Token));
            int predicted = SampleTraining.Largest(shares[i]);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{features,-30} {tokenizer.Token(labels[i]),-8} " +
                $"{tokenizer.Token(predicted)} {100 * shares[i][predicted]:F1} %"));
        }
    }

    /// <summary>A one-hot vector for each label, and under it the model's probabilities.</summary>
    private static void ShowTargets(TextWriter output, Gpt model, WordTokenizer tokenizer)
    {
        (_, int[] labels, float[][] shares) = Predict(model, tokenizer, Student);
        int[] columns = [.. labels, .. tokenizer.Encode(Robot)];
        output.WriteLine($"{"targets",-10}" +
            string.Concat(columns.Select(id => $"{tokenizer.Token(id),9}")));
        for (int i = 0; i < labels.Length; i++)
        {
            output.WriteLine($"{tokenizer.Token(labels[i]),-10}" +
                string.Concat(columns.Select(id => $"{(id == labels[i] ? 1 : 0),9}")));
            output.WriteLine($"{"  model",-10}" + string.Concat(columns.Select(id =>
                string.Create(CultureInfo.InvariantCulture, $"{shares[i][id],9:F2}"))));
        }
    }

    /// <summary>The sentence after the begin token, the token after each, and the model's
    /// probabilities of all tokens there.</summary>
    private static (int[] Read, int[] Labels, float[][] Shares) Predict(
        Gpt model, WordTokenizer tokenizer, string sentence)
    {
        int[] ids = tokenizer.Encode(sentence);
        int[] read = [tokenizer.Special.Bos, .. ids], labels = [.. ids, tokenizer.Special.Eos];
        CompiledGraph graph = model.EvaluationGraph(1, read.Length);
        graph.Feed<int>("ids", read);
        graph.Feed<int>("labels", labels);
        graph.Forward();
        return (read, labels, SampleTraining.Probabilities(graph, model.Config.Vocabulary));
    }
}
