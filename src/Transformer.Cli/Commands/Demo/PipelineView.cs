using System.Globalization;
using System.Numerics.Tensors;
using Spectre.Console;
using Transformer.Cli.Output;
using Transformer.Models;
using Transformer.Models.Graph;

namespace Transformer.Cli.Commands.Demo;

/// <summary>One sentence on its way through the model, stage by stage.</summary>
internal static class PipelineView
{
    /// <summary>Prints text, tokens, ids, embeddings, encoder, decoder, logits and words.
    /// </summary>
    public static void Print(IAnsiConsole console, Translator translator, string sentence)
    {
        Seq2SeqConfig config = translator.Model.Config;
        int[] source = translator.EncodeSource(sentence);
        int[] written = translator.Model.Greedy([source])[0];
        int[] read = [config.BosId, .. written];
        int[] labels = [.. written, config.EosId];
        string scale = config.ScalesEmbeddings
            ? string.Create(CultureInfo.InvariantCulture, $" × √{config.Width}") : "";
        string positions = config.Positions.ToString().ToLowerInvariant();
        Show("text", sentence);
        Show("tokens", string.Join(" · ", TokenText.Of(translator.SourceTokenizer, source)));
        Show("ids", string.Join(' ', source));
        Show("embeddings", $"{Shape(source.Length, config.Width)}: token vectors{scale} + " +
            $"{positions} positions");
        Show("encoder", $"{config.EncoderLayers} × (self-attention of {config.Heads} heads, " +
            $"feed-forward {config.FeedForwardWidth}) → {Shape(source.Length, config.Width)}");
        string[] readText = TokenText.Of(translator.TargetTokenizer, read);
        Show("decoder", $"reads {string.Join(" · ", readText)}");
        Show("", $"{config.DecoderLayers} × (masked self-attention, cross-attention, " +
            $"feed-forward) → {Shape(read.Length, config.Width)}");
        CompiledGraph graph = translator.Model.EvaluationGraph(1, source.Length, read.Length);
        float[] logits = Logits(graph, source, read, labels);
        Show("logits", graph.OutputShape("logits").ToString());
        for (int i = 0; i < labels.Length; i++)
        {
            ReadOnlySpan<float> row =
                logits.AsSpan(i * config.TargetVocabulary, config.TargetVocabulary);
            Show("", string.Create(CultureInfo.InvariantCulture,
                $"{TokenText.Of(translator.TargetTokenizer, labels[i]),-12} " +
                $"{100 * Probability(row, labels[i]):F1} %"));
        }

        Show("words", translator.TargetTokenizer.Decode(written));

        void Show(string stage, string value) => console.WriteLine($"{stage,-11} {value}");
    }

    private static float[] Logits(CompiledGraph graph, int[] source, int[] read, int[] labels)
    {
        graph.Feed<int>("source", source);
        graph.Feed<int>("sourceLengths", [source.Length]);
        graph.Feed<int>("target", read);
        graph.Feed<int>("labels", labels);
        graph.Forward();
        float[] logits = new float[graph.OutputShape("logits").ElementCount];
        graph.Fetch<float>("logits", logits);
        return logits;
    }

    private static double Probability(ReadOnlySpan<float> logits, int token)
    {
        double largest = TensorPrimitives.Max(logits), sum = 0;
        foreach (float logit in logits) sum += Math.Exp(logit - largest);
        return Math.Exp(logits[token] - largest) / sum;
    }

    private static string Shape(int length, int width) =>
        string.Create(CultureInfo.InvariantCulture, $"[1, {length}, {width}]");
}
