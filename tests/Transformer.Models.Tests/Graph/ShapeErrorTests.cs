using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Tensors;

namespace Transformer.Models.Tests.Graph;

/// <summary>Bad graphs and bad data are answered at once, with one line that says what to do.
/// </summary>
public sealed class ShapeErrorTests : IDisposable
{
    private readonly ParameterSet parameters = new(BackendRegistry.Cpu);
    private readonly GraphBuilder g;
    private readonly GraphTensor x;
    private readonly GraphTensor ids;

    public ShapeErrorTests()
    {
        g = new("test", parameters);
        x = g.Input("x", new(2, 3, 128));
        ids = g.Input("ids", new(2, 3), DType.Int32);
    }

    public void Dispose() => parameters.Dispose();

    [Fact]
    public void Linear_NamesNodeAndBothSizes() => Throws(
        "Linear 'encoder.0.ffn.up': input has 128 features; weight [512, 256] expects 256. " +
        "Change the layer before it or the weight.",
        () => g.Linear(x, Declare("encoder.0.ffn.up.weight", 512, 256)));

    [Fact]
    public void Linear_ChecksTheBias() => Throws(
        "Linear 'up': bias 'b' has shape [4]; expected [8].",
        () => g.Linear(x, Declare("up.weight", 8, 128), Declare("b", 4)));

    [Fact]
    public void LayerNorm_ChecksTheWeight() => Throws(
        "LayerNorm 'norm': weight 'norm.weight' has shape [64]; expected [128].",
        () => g.LayerNorm(x, Declare("norm.weight", 64), null));

    [Fact]
    public void Add_NamesBothShapes() => Throws(
        "Add 'add0': 'x' has shape [2, 3, 128] and 'y' [2, 128]; expected equal shapes.",
        () => g.Add(x, g.Input("y", new(2, 128))));

    [Fact]
    public void Embedding_NeedsIntegers() => Throws(
        "Embedding 'table': 'x' is Float32; expected Int32.",
        () => g.Embedding(x, Declare("table", 9, 4)));

    [Fact]
    public void Embedding_NamesTheLongestSequence() => Throws(
        "Embedding 'table': 'ids' has 3 tokens a sequence; position table 'positions' has 2 rows." +
        " Shorten the text or use a model with more positions.",
        () => g.Embedding(ids, Declare("table", 9, 4), Declare("positions", 2, 4)));

    [Fact]
    public void Attention_ChecksHeadsAndWidths()
    {
        GraphTensor key = g.Input("key", new(2, 5, 64));
        Throws("FusedAttention 'a': query width 128 is not divisible by 5 heads. Choose a divisor.",
            () => g.Attention(x, x, x, new() { Heads = 5, Name = "a" }));
        Throws("FusedAttention 'a': 'key' has shape [2, 5, 64]; expected [2, 5, 128] " +
            "(batch, keys, key heads · head width).",
            () => g.Attention(x, key, key, new() { Heads = 4, Name = "a" }));
        Throws("FusedAttention 'a': 'lengths' has shape [3]; expected [2] (one length a sequence).",
            () => g.Attention(x, x, x, new()
            {
                Heads = 4,
                Name = "a",
                KeyLengths = g.Input("lengths", new(3), DType.Int32),
            }));
    }

    [Fact]
    public void CrossEntropy_NeedsOneLabelARow() => Throws(
        "SoftmaxCrossEntropy 'crossEntropy0': 'labels' has shape [5] for logits [2, 3, 128]; " +
        "expected one label for each row of logits.",
        () => g.CrossEntropy(x, g.Input("labels", new(5), DType.Int32)));

    [Fact]
    public void KvCacheAppend_NeedsAState() => Throws(
        "KvCacheAppend 'append0': 'cache' is no state. Declare the cache with State.",
        () => g.KvCacheAppend(
            x, g.Input("positions", new(2), DType.Int32), g.Input("cache", new(2, 9, 128))));

    [Fact]
    public void Dropout_ChecksTheProbability() => Throws(
        "Dropout 'dropout0': probability is 1; expected [0, 1).", () => g.Dropout(x, 1));

    [Fact]
    public void Parameter_OfTwoShapes() => Throws(
        "Parameter 'w': declared with shape [2, 3] and again with [3, 2]. Use another name or " +
        "the same shape.",
        () =>
        {
            Declare("w", 2, 3);
            Declare("w", 3, 2);
        });

    [Fact]
    public void Heads_MustDivideTheWidth() => Throws(
        "MultiHeadAttention 'a': width 10 is not divisible by 4 heads. Choose a divisor.",
        () => _ = new MultiHeadAttention(parameters, "a", new() { Width = 10, Heads = 4 }));

    [Fact]
    public void Compile_NeedsTheLoss()
    {
        parameters.Allocate(1);
        g.Output("y", g.Relu(x));
        Throws("Graph 'test': training needs the output 'loss'; outputs are y. Name the loss " +
            "with Output.",
            () => g.Compile(TestModel.On(BackendRegistry.Cpu) with { Training = true }));
    }

    [Fact]
    public void Run_ChecksIds()
    {
        using CompiledGraph graph = CompileEmbedding();
        graph.Feed<int>("ids", [0, 1, 2, 8, 9, 0]);
        Throws("Embedding 'table': input 'ids' holds 9 at index 4; expected 0 to 8. Table " +
            "'table' has 9 rows. Use the model's own tokenizer.", graph.Forward);
    }

    [Fact]
    public void Feed_ChecksTypeCountAndName()
    {
        using CompiledGraph graph = CompileEmbedding();
        Throws("Graph 'test': input 'ids' is Int32 [2, 3], 6 elements; got 2 of Int32.",
            () => graph.Feed<int>("ids", [1, 2]));
        Throws("Graph 'test': input 'ids' is Int32 [2, 3], 6 elements; got 6 of Float32.",
            () => graph.Feed<float>("ids", new float[6]));
        Throws("Graph 'test': no input 'id'; it has x, ids.",
            () => graph.Feed<int>("id", new int[6]));
    }

    [Fact]
    public void Backward_NeedsItsForward()
    {
        using TestModel model = new(BackendRegistry.Cpu);
        using GraphArena arena = new(BackendRegistry.Cpu);
        CompileOptions options = TestModel.On(BackendRegistry.Cpu) with
        {
            Training = true,
            Arena = arena,
        };
        using CompiledGraph graph = model.Build().Compile(options);
        using CompiledGraph other = model.Build(batch: 1).Compile(options);
        TestModel.Feed(graph);
        TestModel.Feed(other);
        Assert.Throws<InvalidOperationException>(graph.Backward);
        graph.Forward();
        other.Forward();
        Assert.Throws<InvalidOperationException>(graph.Backward);
        Assert.Throws<InvalidOperationException>(() => graph.Output<float>("loss"));
        other.Backward();
        Assert.Throws<InvalidOperationException>(other.Backward);
    }

    private CompiledGraph CompileEmbedding()
    {
        Parameter table = Declare("table", 9, 4);
        parameters.Allocate(1);
        g.Output("y", g.Embedding(ids, table));
        return g.Compile(TestModel.On(BackendRegistry.Cpu));
    }

    private Parameter Declare(string name, params long[] shape) =>
        parameters.Declare(name, new TensorShape(shape), Initializer.Zeros);

    private static void Throws(string message, Action action) =>
        Assert.Equal(message, Assert.Throws<ArgumentException>(action).Message);
}
