using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Tensors;

namespace Transformer.Models.Generation;

/// <summary>What the graphs of a <see cref="DecodingSession"/> are compiled for.</summary>
/// <param name="Sentences">Sentences decoded together.</param>
/// <param name="Beam">Rows a sentence.</param>
/// <param name="SourceLength">Padded length of the sources.</param>
/// <param name="Capacity">Most target positions.</param>
internal readonly record struct DecodingShape(
    int Sentences, int Beam, int SourceLength, int Capacity)
{
    /// <summary>Rows of a step.</summary>
    public int Rows => Sentences * Beam;
}

/// <summary>
/// Decoding with caches: the encoder runs once a batch and leaves each layer's cross-attention
/// keys and values in states; then one graph of one position a row is replayed for each token.
/// </summary>
internal sealed class DecodingSession : IStepDecoder, IDisposable
{
    private const string Logits = "logits";

    private readonly Seq2SeqConfig config;
    private readonly BackendMemory memory;
    private readonly GraphArena arena;
    private readonly CompiledGraph encoder;
    private readonly CompiledGraph stepper;
    private readonly List<(GraphTensor Sentence, GraphTensor Row)> crossStates = [];
    private readonly CacheRows caches;
    private readonly int[] source;
    private readonly int[] sentenceLengths;
    private readonly int[] rowLengths;
    private readonly int[] ids;
    private readonly int[] numbers;
    private readonly float[] fetched;
    private int position;

    /// <summary>Compiles the two graphs.</summary>
    public DecodingSession(
        Seq2SeqConfig config, Seq2SeqNetwork network, ParameterSet parameters,
        DecodingShape shape)
    {
        this.config = config;
        Shape = shape;
        memory = parameters.Backend.Memory;
        arena = new(parameters.Backend);
        CompileOptions options = new() { Backend = parameters.Backend, Arena = arena };
        GraphBuilder encode = BuildEncoder(network, parameters);
        GraphBuilder step = BuildStep(network, parameters);
        foreach ((string name, GraphTensor state) in encode.States)
            crossStates.Add((state, step.States[name]));
        caches = new(arena, memory,
            [.. step.States.Where(s => !encode.States.ContainsKey(s.Key)).Select(s => s.Value)],
            shape.Rows, shape.Capacity);
        encoder = encode.Compile(options);
        stepper = step.Compile(options);
        source = new int[shape.Sentences * shape.SourceLength];
        sentenceLengths = new int[shape.Sentences];
        rowLengths = new int[shape.Rows];
        ids = new int[shape.Rows];
        numbers = new int[shape.Rows];
        fetched = memory.IsHostAccessible ? [] : new float[shape.Rows * config.TargetVocabulary];
        encoder.Feed<int>("start", sentenceLengths);
    }

    /// <summary>What the graphs are compiled for.</summary>
    public DecodingShape Shape { get; }

    /// <inheritdoc/>
    public int Vocabulary => config.TargetVocabulary;

    /// <summary>Runs the encoder and starts over at the first position.</summary>
    /// <param name="sources">Token ids, at most as many sentences and as long as the shape says;
    /// rows without a sentence decode padding.</param>
    public void Begin(IReadOnlyList<int[]> sources)
    {
        Array.Fill(source, config.PadId);
        Array.Fill(sentenceLengths, 1);
        for (int i = 0; i < sources.Count; i++)
        {
            sources[i].CopyTo(source, i * Shape.SourceLength);
            sentenceLengths[i] = sources[i].Length;
        }

        for (int row = 0; row < rowLengths.Length; row++)
            rowLengths[row] = sentenceLengths[row / Shape.Beam];
        encoder.Feed<int>("source", source);
        encoder.Feed<int>("sourceLengths", sentenceLengths);
        encoder.Forward();
        if (Shape.Beam > 1) RepeatCrossStates();
        stepper.Feed<int>("sourceLengths", rowLengths);
        position = 0;
    }

    /// <inheritdoc/>
    public ReadOnlySpan<float> Step(ReadOnlySpan<int> parents, ReadOnlySpan<int> tokens)
    {
        if (Shape.Beam > 1 && position > 0) caches.Reorder(parents, position);
        Array.Fill(ids, config.PadId);
        tokens.CopyTo(ids);
        stepper.Feed<int>("target", ids);
        Array.Fill(numbers, position);
        stepper.Feed<int>("positionIds", numbers);
        stepper.Feed<int>("positions", numbers);
        Array.Fill(numbers, position + 1);
        stepper.Feed<int>("keyLengths", numbers);
        stepper.Forward();
        position++;
        if (memory.IsHostAccessible) return stepper.Output<float>(Logits);
        stepper.Fetch<float>(Logits, fetched);
        return fetched;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        encoder.Dispose();
        stepper.Dispose();
        caches.Dispose();
        arena.Dispose();
    }

    private GraphBuilder BuildEncoder(Seq2SeqNetwork network, ParameterSet parameters)
    {
        GraphBuilder g = new("encode", parameters);
        int batch = Shape.Sentences;
        GraphTensor ids = g.Input("source", new(batch, Shape.SourceLength), DType.Int32);
        GraphTensor lengths = g.Input("sourceLengths", new(batch), DType.Int32);
        GraphTensor start = g.Input("start", new(batch), DType.Int32);
        GraphTensor encoded = network.Encode(g, ids, lengths);
        g.Output("memory", encoded);
        for (int i = 0; i < network.Decoder.Count; i++)
        {
            KeyValue projected = network.Decoder[i].CrossAttention.ProjectKeyValue(g, encoded);
            KeyValue state = CrossState(g, network, i, batch);
            g.KvCacheAppend(projected.Key, start, state.Key);
            g.KvCacheAppend(projected.Value, start, state.Value);
        }

        return g;
    }

    private GraphBuilder BuildStep(Seq2SeqNetwork network, ParameterSet parameters)
    {
        GraphBuilder g = new("decode step", parameters);
        int rows = Shape.Rows;
        GraphTensor ids = g.Input("target", new(rows, 1), DType.Int32);
        GraphTensor positionIds = g.Input("positionIds", new(rows, 1), DType.Int32);
        GraphTensor positions = g.Input("positions", new(rows), DType.Int32);
        GraphTensor keyLengths = g.Input("keyLengths", new(rows), DType.Int32);
        GraphTensor lengths = g.Input("sourceLengths", new(rows), DType.Int32);
        KeyValue[] cross =
        [
            .. Enumerable.Range(0, network.Decoder.Count)
                .Select(i => CrossState(g, network, i, rows)),
        ];
        KeyValueCache cache = new(positions, keyLengths, Shape.Capacity);
        GraphTensor x = network.DecodeStep(g, ids, positionIds, cache, cross, lengths);
        g.Output(Logits, network.Project(g, x));
        return g;
    }

    /// <summary>Where a layer's cross-attention keys and values stay.</summary>
    private KeyValue CrossState(GraphBuilder g, Seq2SeqNetwork network, int layer, int batch)
    {
        string name = Seq2SeqNetwork.Named("decoder", layer);
        TensorShape shape =
            new(batch, Shape.SourceLength, network.Decoder[layer].CrossAttention.KeyValueWidth);
        return new(g.State($"{name}.memory.key", shape), g.State($"{name}.memory.value", shape));
    }

    /// <summary>Copies each sentence's cross-attention keys and values to its rows.</summary>
    private void RepeatCrossStates()
    {
        foreach ((GraphTensor sentence, GraphTensor row) in crossStates)
        {
            nint from = arena.State(sentence).Address, to = arena.State(row).Address;
            long bytes = sentence.Bytes / Shape.Sentences;
            for (int i = 0; i < Shape.Rows; i++)
                memory.Copy(from + (nint)(i / Shape.Beam * bytes), to + (nint)(i * bytes), bytes);
        }
    }
}
