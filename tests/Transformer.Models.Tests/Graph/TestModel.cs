using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models.Tests.Graph;

/// <summary>A small encoder–decoder with everything a graph can hold: tied tables, packed
/// projections, cross attention, padding, loss.</summary>
internal sealed class TestModel : IDisposable
{
    public const int Batch = 2;
    public const int Source = 5;
    public const int Target = 4;
    public const int Width = 16;
    public const int Vocabulary = 11;

    private readonly Embeddings embeddings;
    private readonly EncoderLayer[] encoder;
    private readonly DecoderLayer[] decoder;
    private readonly LinearLayer head;

    public TestModel(Backend backend, TransformerLayerOptions? options = null, int layers = 1)
    {
        Parameters = new(backend);
        Options = options ?? new() { Width = Width, Heads = 2, Hidden = 24 };
        embeddings = new(Parameters, "embeddings", new()
        {
            Vocabulary = Vocabulary,
            Width = Options.Width,
            MaxPositions = 64,
            Dropout = Options.Dropout,
        });
        encoder = [.. Enumerable.Range(0, layers).Select(
            i => new EncoderLayer(Parameters, $"encoder.layers.{i}", Options))];
        decoder = [.. Enumerable.Range(0, layers).Select(
            i => new DecoderLayer(Parameters, $"decoder.layers.{i}", Options))];
        // Tied: the table of the embedding is the weight of the output projection.
        head = new("head", embeddings.Tokens, null);
        Parameters.Allocate(seed: 7);
    }

    public ParameterSet Parameters { get; }

    public TransformerLayerOptions Options { get; }

    public GraphBuilder Build(int batch = Batch, int source = Source, int target = Target)
    {
        GraphBuilder g = new("test", Parameters);
        GraphTensor ids = g.Input("source", new(batch, source), DType.Int32);
        GraphTensor lengths = g.Input("sourceLengths", new(batch), DType.Int32);
        GraphTensor targets = g.Input("target", new(batch, target), DType.Int32);
        GraphTensor labels = g.Input("labels", new(batch, target), DType.Int32);
        AttentionNodeOptions visible = new() { KeyLengths = lengths };
        GraphTensor memory = embeddings.Apply(g, ids);
        foreach (EncoderLayer layer in encoder) memory = layer.Apply(g, memory, visible);
        GraphTensor x = embeddings.Apply(g, targets);
        foreach (DecoderLayer layer in decoder)
        {
            x = layer.Apply(g, x, memory, crossVisibility: visible);
        }

        GraphTensor logits = head.Apply(g, x);
        g.Output("loss", g.CrossEntropy(logits, labels, labelSmoothing: 0.1, ignoreIndex: 0));
        return g;
    }

    public GraphBuilder BuildWithLogits()
    {
        GraphBuilder g = Build();
        g.Output("logits", g.Nodes[^1].Inputs[0]!);
        return g;
    }

    public static void Feed(CompiledGraph graph)
    {
        Random random = new(3);
        foreach (string name in (string[])["source", "target", "labels"])
        {
            long count = graph.InputShape(name).ElementCount;
            int[] ids = [.. Enumerable.Range(0, (int)count).Select(_ => random.Next(Vocabulary))];
            graph.Feed<int>(name, ids);
        }

        int[] lengths = new int[graph.InputShape("sourceLengths")[0]];
        for (int i = 0; i < lengths.Length; i++)
        {
            lengths[i] = (int)graph.InputShape("source")[1] - (2 * (i % 2));
        }

        graph.Feed<int>("sourceLengths", lengths);
    }

    /// <summary>Loss and all gradients of one step.</summary>
    public (float Loss, float[] Gradients) Run(CompileOptions options)
    {
        using CompiledGraph graph = Build().Compile(options with { Training = true });
        Feed(graph);
        Parameters.ClearGradients();
        graph.Forward();
        float loss = graph.Output<float>("loss")[0];
        graph.Backward();
        return (loss, Parameters.Gradients.AsSpan<float>().ToArray());
    }

    public void Dispose() => Parameters.Dispose();

    /// <summary>‖x − y‖₂ / ‖y‖₂.</summary>
    public static double RelativeL2(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < x.Length; i++)
        {
            difference += ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
            norm += (double)y[i] * y[i];
        }

        return Math.Sqrt(difference / norm);
    }

    public static CompileOptions On(Backend backend) => new() { Backend = backend };

    public static TransformerLayerOptions Layer(
        NormPlacement norm = NormPlacement.Post, Activation activation = Activation.Gelu,
        double dropout = 0) => new()
        {
            Width = Width,
            Heads = 2,
            Hidden = 24,
            Norm = norm,
            Activation = activation,
            Dropout = dropout,
            HiddenDropout = dropout,
        };
}
