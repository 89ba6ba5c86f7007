using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Tensors;

namespace Transformer.Models.Tests.Graph;

public class ReadmeTests
{
    [Fact]
    public void GraphSample_Runs()
    {
        Backend backend = BackendRegistry.Cpu;
        float[] numbers = [.. Enumerable.Range(0, 2 * 6 * 32).Select(i => MathF.Sin(i))];
        int[] tags = [.. Enumerable.Range(0, 12).Select(i => i % 10)];
        // snippet: graph
        using ParameterSet parameters = new(backend);
        EncoderLayer layer = new(parameters, "layer", new() { Width = 32, Heads = 4 });
        LinearLayer head = new(parameters, "head", inputWidth: 32, outputWidth: 10);
        parameters.Allocate(seed: 1);

        GraphBuilder g = new("tagger", parameters);
        GraphTensor x = g.Input("x", new(2, 6, 32));
        GraphTensor labels = g.Input("labels", new(2, 6), DType.Int32);
        g.Output("loss", g.CrossEntropy(head.Apply(g, layer.Apply(g, x)), labels));

        using CompiledGraph graph = g.Compile(new() { Backend = backend, Training = true });
        graph.Feed<float>("x", numbers);
        graph.Feed<int>("labels", tags);
        graph.Forward();
        float loss = graph.Output<float>("loss")[0];
        graph.Backward();
        // /snippet
        // Untrained logits are of order 1: the loss is near that of a guess, ln 10.
        Assert.InRange(loss, 1, 5);
        Assert.Contains(parameters["head.bias"].Gradient.AsSpan<float>().ToArray(), v => v != 0);
    }

    [Fact]
    public void Readme_ShowsTheCompiledSample()
    {
        string[] source = File.ReadAllLines(ThisFile());
        int first = Array.FindIndex(source, l => l.Trim() == "// snippet: graph") + 1;
        int last = Array.FindIndex(source, first, l => l.Trim() == "// /snippet");
        string code =
            string.Join('\n', source[first..last].Select(l => l.Length > 8 ? l[8..] : ""));
        string readme = Path.Combine(
            Path.GetDirectoryName(ThisFile())!, "../../../src/Transformer.Models/README.md");
        Assert.Contains($"```csharp\n{code}\n```", File.ReadAllText(readme),
            StringComparison.Ordinal);
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
