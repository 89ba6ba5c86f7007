using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Training;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models.Tests.Training;

/// <summary>The smallest model that reads its source: embeddings with positions, one attention
/// from target to source, and an output layer.</summary>
internal sealed class CopyModel : ISeq2SeqTrainingModel, IDisposable
{
    private const int Positions = 32;

    private readonly Dictionary<(BatchShape, bool), CompiledGraph> graphs = [];
    private readonly GraphArena arena;
    private readonly double dropout;

    public CopyModel(
        Backend backend, double dropout = 0, int vocabulary = 20, int width = 32, ulong seed = 1)
    {
        Backend = backend;
        Parameters = new(backend);
        arena = new(backend);
        this.dropout = dropout;
        Declare("source", new(vocabulary, width));
        Declare("target", new(vocabulary, width));
        Declare("positions", new(Positions, width));
        Declare("output", new(vocabulary, width));
        Parameters.Declare("bias", new(vocabulary), Initializer.Zeros, decay: false);
        Parameters.Declare("norm.weight", new(width), Initializer.Ones, decay: false);
        Parameters.Declare("norm.bias", new(width), Initializer.Zeros, decay: false);
        Parameters.Declare("fixed", new(3), Initializer.Ones, trainable: false);
        Parameters.Allocate(seed);
        ConfigJson = FormattableString.Invariant(
            $"{{\"width\": {width}, \"parts\": {{\"dropout\": {dropout}, \"bias\": true}}}}");
    }

    public ParameterSet Parameters { get; }

    public Backend Backend { get; }

    public string ConfigJson { get; }

    public Action? Evaluating { get; set; }

    public int GraphCount => graphs.Count;

    public CompiledGraph TrainingGraph(
        int batch, int sourceLength, int targetLength, double labelSmoothing) =>
        Graph(new(batch, sourceLength, targetLength), training: true, labelSmoothing);

    public CompiledGraph EvaluationGraph(int batch, int sourceLength, int targetLength)
    {
        Evaluating?.Invoke();
        return Graph(new(batch, sourceLength, targetLength), training: false, 0);
    }

    /// <summary>All numbers that training changes, as bits.</summary>
    public int[] Bits() =>
    [
        .. Bits(Parameters.Values), .. Bits(Parameters.FirstMoments),
        .. Bits(Parameters.SecondMoments),
    ];

    private static ReadOnlySpan<int> Bits(BufferView view) =>
        MemoryMarshal.Cast<float, int>(view.AsSpan<float>());

    public float[] Weights(string name)
    {
        float[] weights = new float[Parameters[name].Shape.ElementCount];
        Parameters[name].CopyTo(weights);
        return weights;
    }

    public void Dispose()
    {
        foreach (CompiledGraph graph in graphs.Values) graph.Dispose();
        arena.Dispose();
        Parameters.Dispose();
    }

    private void Declare(string name, TensorShape shape) =>
        Parameters.Declare(name, shape, Initializer.Normal(0.3f));

    private CompiledGraph Graph(BatchShape shape, bool training, double labelSmoothing)
    {
        if (graphs.TryGetValue((shape, training), out CompiledGraph? known)) return known;
        GraphBuilder builder = new("copy", Parameters);
        (int b, int s, int t) = shape;
        GraphTensor source = builder.Input("source", new(b, s), DType.Int32);
        GraphTensor lengths = builder.Input("sourceLengths", new(b), DType.Int32);
        GraphTensor target = builder.Input("target", new(b, t), DType.Int32);
        GraphTensor labels = builder.Input("labels", new(b, t), DType.Int32);
        Parameter positions = Parameters["positions"];
        GraphTensor memory = builder.Dropout(
            builder.Embedding(source, Parameters["source"], positions), dropout);
        GraphTensor state = builder.Embedding(target, Parameters["target"], positions);
        GraphTensor read = builder.Attention(
            state, memory, memory, new() { Heads = 1, KeyLengths = lengths });
        GraphTensor sum = builder.LayerNorm(
            builder.Add(state, builder.Dropout(read, dropout)), Parameters["norm.weight"],
            Parameters["norm.bias"], name: "norm");
        GraphTensor logits = builder.Linear(sum, Parameters["output"], Parameters["bias"]);
        builder.Output("loss", builder.CrossEntropy(
            logits, labels, labelSmoothing, Batch.IgnoredLabel, LossReduction.Sum));
        if (!training) builder.Output("logits", logits);
        CompiledGraph graph = builder.Compile(
            new() { Backend = Backend, Training = training, Arena = arena });
        graphs.Add((shape, training), graph);
        return graph;
    }
}
