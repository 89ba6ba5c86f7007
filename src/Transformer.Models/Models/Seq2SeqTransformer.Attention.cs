using Transformer.Models.Graph;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models;

/// <content>Attention weights.</content>
public sealed partial class Seq2SeqTransformer
{
    /// <summary>The attention weights of every layer and head for a pair of sentences.</summary>
    /// <param name="source">Source ids [S].</param>
    /// <param name="target">Decoder input [T], begin token first: row t shows what the model
    /// looks at when it writes the token after target[t].</param>
    /// <returns>Maps [H, S, S], [H, T, T] and [H, T, S] of each layer.</returns>
    /// <exception cref="ArgumentException">A sentence is empty, too long or holds an unknown id.
    /// </exception>
    public AttentionMaps Attention(int[] source, int[] target)
    {
        RequireSource(source, "the source");
        RequireTokens(target, "the target", Config.TargetVocabulary);
        GraphBuilder g = new("attention", Parameters);
        GraphTensor ids = g.Input("source", new(1, source.Length), DType.Int32);
        GraphTensor lengths = g.Input("sourceLengths", new(1), DType.Int32);
        GraphTensor targetIds = g.Input("target", new(1, target.Length), DType.Int32);
        GraphTensor memory = network.Encode(g, ids, lengths, ScoreOutput.Probabilities);
        network.Decode(g, targetIds, memory, lengths, ScoreOutput.Probabilities);
        using CompiledGraph graph = g.Compile(new() { Backend = Backend, Arena = arena });
        graph.Feed<int>("source", source);
        graph.Feed<int>("sourceLengths", [source.Length]);
        graph.Feed<int>("target", target);
        graph.Forward();
        return new(
            Maps(graph, "encoder", "attention", Config.EncoderLayers),
            Maps(graph, "decoder", "attention", Config.DecoderLayers),
            Maps(graph, "decoder", "crossAttention", Config.DecoderLayers));
    }

    private static AttentionMap[] Maps(
        CompiledGraph graph, string stack, string part, int layers)
    {
        AttentionMap[] maps = new AttentionMap[layers];
        for (int i = 0; i < layers; i++)
        {
            string name = $"{Seq2SeqNetwork.Named(stack, i)}.{part}.scores";
            TensorShape shape = graph.OutputShape(name);
            float[] weights = new float[shape.ElementCount];
            graph.Fetch<float>(name, weights);
            maps[i] = new((int)shape[1], (int)shape[2], (int)shape[3], weights);
        }

        return maps;
    }
}
