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
        string[] decoder = Names("decoder", Config.DecoderLayers);
        return new(
            AttentionMap.Read(graph, Names("encoder", Config.EncoderLayers)),
            AttentionMap.Read(graph, decoder),
            AttentionMap.Read(graph, decoder, "crossAttention"));
    }

    private static string[] Names(string stack, int layers) =>
        [.. Enumerable.Range(0, layers).Select(i => Seq2SeqNetwork.Named(stack, i))];
}
