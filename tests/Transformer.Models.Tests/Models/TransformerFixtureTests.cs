using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Tensors;
using Transformer.Tests.Fixtures;

namespace Transformer.Models.Tests.Models;

/// <summary>The model's stacks against PyTorch's nn.Transformer in float64.</summary>
public sealed class TransformerFixtureTests
{
    private const int Batch = 2, Source = 5, Target = 4, Width = 16;

    private static readonly Fixture Fixture = Fixture.Load("transformer", "post_norm_relu");

    /// <summary>Values are fp32 between kernels; about 25 of them follow each other, each with a
    /// rounding error of 6e-8 relative to sums of up to 32 terms.</summary>
    private const double Tolerance = 1e-5;

    [Theory]
    [InlineData("reference")]
    [InlineData("simd")]
    public void ForwardAndGradients_MatchTorch(string backend)
    {
        using ParameterSet parameters = new(BackendRegistry.Find(backend));
        using CompiledGraph graph = Build(parameters);
        graph.Feed<float>("src", Fixture.Singles("src"));
        graph.Feed<float>("tgt", Fixture.Singles("tgt"));
        graph.Feed<int>("srcLengths", Fixture.Ints("src_lengths"));
        graph.Feed<int>("tgtLengths", Fixture.Ints("tgt_lengths"));
        graph.Feed<float>("lossGradient", Fixture.Singles("d_output"));
        parameters.ClearGradients();
        graph.Forward();
        graph.Backward();

        Assert.True(Error(graph, "memory", "memory") < Tolerance);
        Assert.True(Error(graph, "loss", "output") < Tolerance);
        Assert.True(Error(graph, "src.gradient", "d_src") < Tolerance);
        Assert.True(Error(graph, "tgt.gradient", "d_tgt") < Tolerance);
        int compared = 0;
        foreach (Parameter parameter in Stack(parameters))
        {
            double[] expected = Part(Fixture.Doubles, "d_", parameter);
            float[] actual = TestModels.Gradient(parameter);
            // A key bias shifts all scores of a row alike: its gradient is zero but for rounding.
            bool vanishes = parameter.Name.EndsWith(".key.bias", StringComparison.Ordinal);
            double error = vanishes
                ? actual.Max(Math.Abs) : TestModels.RelativeError(actual, expected);
            Assert.True(error < Tolerance, $"{parameter.Name}: {error:E2}");
            compared++;
        }

        Assert.Equal(2 * (16 + 26) + 4, compared);
    }

    private static CompiledGraph Build(ParameterSet parameters)
    {
        Seq2SeqNetwork network = new(
            new()
            {
                SourceVocabulary = 4,
                TargetVocabulary = 4,
                Width = Width,
                Heads = 2,
                FeedForwardWidth = 32,
                Dropout = 0,
                Norm = NormPlacement.Post,
            }, parameters, finalNorms: true);
        parameters.Allocate(1);
        foreach (Parameter parameter in Stack(parameters))
            parameter.CopyFrom(Part(Fixture.Singles, "", parameter));

        GraphBuilder g = new("fixture", parameters);
        GraphTensor sourceLengths = g.Input("srcLengths", new(Batch), DType.Int32);
        GraphTensor targetLengths = g.Input("tgtLengths", new(Batch), DType.Int32);
        GraphTensor memory = network.EncodeVectors(
            g, g.Input("src", new(Batch, Source, Width)), sourceLengths);
        g.Output("memory", memory);
        g.Output("loss", network.DecodeVectors(
            g, g.Input("tgt", new(Batch, Target, Width)), memory,
            new() { KeyLengths = targetLengths }, new() { KeyLengths = sourceLengths }));
        return g.Compile(new()
        {
            Backend = parameters.Backend,
            Training = true,
            InputGradients = ["src", "tgt"],
        });
    }

    private static IEnumerable<Parameter> Stack(ParameterSet parameters) =>
        parameters.All.Where(p => p.Name.StartsWith("encoder.", StringComparison.Ordinal) ||
            p.Name.StartsWith("decoder.", StringComparison.Ordinal));

    /// <summary>A parameter's part of PyTorch's tensor: query, key and value are one there.
    /// </summary>
    private static T[] Part<T>(Func<string, T[]> read, string prefix, Parameter parameter)
    {
        string[] parts = parameter.Name.Split('.');
        if (parts[1] == "norm") return read(prefix + parameter.Name);
        string layer = $"{prefix}{parts[0]}.layers.{parts[1]}";
        string kind = parts[^1];
        bool encoder = parts[0] == "encoder";
        string? name = (parts[2], parts[3]) switch
        {
            ("attentionNorm", _) => "norm1",
            ("crossAttentionNorm", _) => "norm2",
            ("feedForwardNorm", _) => encoder ? "norm2" : "norm3",
            ("feedForward", "up") => "linear1",
            ("feedForward", "down") => "linear2",
            ("attention", "output") => "self_attn.out_proj",
            ("crossAttention", "output") => "multihead_attn.out_proj",
            _ => null,
        };
        if (name is not null) return read($"{layer}.{name}.{kind}");
        string attention = parts[2] == "attention" ? "self_attn" : "multihead_attn";
        T[] packed = read($"{layer}.{attention}.in_proj_{kind}");
        int third = packed.Length / 3;
        int index = Array.IndexOf(["query", "key", "value"], parts[3]);
        return packed[(index * third)..((index + 1) * third)];
    }

    private static double Error(CompiledGraph graph, string output, string expected)
    {
        float[] values = new float[graph.OutputShape(output).ElementCount];
        graph.Fetch<float>(output, values);
        return TestModels.RelativeError(values, Fixture.Doubles(expected));
    }
}
