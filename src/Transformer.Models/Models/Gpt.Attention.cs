using Transformer.Models.Graph;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models;

/// <content>Attention weights.</content>
public sealed partial class Gpt
{
    /// <summary>The attention weights of every layer and head for a text.</summary>
    /// <param name="ids">Tokens [T]: row t shows what the model looks at when it writes the token
    /// after ids[t].</param>
    /// <returns>By layer [H, T, T]; no row attends to later tokens.</returns>
    /// <exception cref="ArgumentException">The text is empty, longer than the model's positions, or
    /// holds an unknown id.</exception>
    public IReadOnlyList<AttentionMap> Attention(int[] ids)
    {
        ArgumentNullException.ThrowIfNull(ids);
        RequireSize("length", ids.Length, Config.Positions);
        GraphBuilder g = new("attention", Parameters);
        network.Logits(
            g, g.Input("ids", new(1, ids.Length), DType.Int32), ScoreOutput.Probabilities);
        using CompiledGraph graph = g.Compile(new() { Backend = Backend, Arena = arena });
        graph.Feed<int>("ids", ids);
        graph.Forward();
        return AttentionMap.Read(graph, network.LayerNames);
    }
}
