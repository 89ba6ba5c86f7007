using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Models.Tests.Graph;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Fixtures;

namespace Transformer.Models.Tests.Layers;

/// <summary>
/// Layers compiled as graphs against what PyTorch computed in float64: outputs and all gradients,
/// on every host backend, fused and unfused.
/// </summary>
/// <remarks>fp32 with sums of at most 24 terms, some twenty operations deep; 2e-6 relative L2 is
/// about sixteen units in the last place. A gradient that is zero in exact arithmetic (the key
/// bias, which shifts all scores of a row alike) is compared with the absolute bound 1e-6.
/// </remarks>
public class PyTorchLayerTests
{
    private const double Tolerance = 2e-6;

    public static TheoryData<string, string, string, bool> Cases
    {
        get
        {
            TheoryData<string, string, string, bool> rows = [];
            foreach (string file in (string[])["encoder_layer", "decoder_layer"])
            {
                foreach (string @case in (string[])["post_norm_relu", "pre_norm_gelu"])
                {
                    foreach (string backend in (string[])["reference", "simd"])
                    {
                        rows.Add(file, @case, backend, true);
                        rows.Add(file, @case, backend, false);
                    }
                }
            }

            return rows;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Layer_MatchesPyTorch(string file, string @case, string backendName, bool fuse)
    {
        Fixture fixture = Fixture.Load(file, @case);
        Backend backend = BackendRegistry.Find(backendName);
        using ParameterSet parameters = new(backend);
        GraphBuilder g = new(fixture.Name, parameters);
        TransformerLayerOptions options = new()
        {
            Width = 8,
            Heads = 2,
            Hidden = 16,
            Norm = @case.StartsWith("pre", StringComparison.Ordinal)
                ? NormPlacement.Pre : NormPlacement.Post,
            Activation = @case.EndsWith("gelu", StringComparison.Ordinal)
                ? Activation.Gelu : Activation.Relu,
        };
        bool decoder = file == "decoder_layer";
        string[] inputs = decoder ? ["tgt", "memory"] : ["src"];
        g.Output("loss", decoder ? Decoder(g, options, fixture) : Encoder(g, options, fixture));
        parameters.Allocate(1);
        List<(Parameter Parameter, float[] Gradient)> expected = Load(parameters, fixture, decoder);

        using CompiledGraph graph = g.Compile(new()
        {
            Backend = backend,
            Training = true,
            Fuse = fuse,
            InputGradients = inputs,
        });
        foreach (string name in inputs)
        {
            graph.Feed<float>(name, fixture.Singles(name));
            graph.Feed<int>($"{name}_lengths", fixture.Ints($"{name}_lengths"));
        }

        graph.Feed<float>("lossGradient", fixture.Singles("d_output"));
        graph.Forward();
        AssertClose("output", fixture.Singles("output"), graph.Output<float>("loss"));
        graph.Backward();
        foreach (string name in inputs)
        {
            AssertClose($"d_{name}", fixture.Singles($"d_{name}"),
                graph.Output<float>($"{name}.gradient"));
        }

        foreach ((Parameter parameter, float[] gradient) in expected)
        {
            AssertClose(parameter.Name, gradient, parameter.Gradient.AsSpan<float>());
        }
    }

    private static GraphTensor Encoder(
        GraphBuilder g, TransformerLayerOptions options, Fixture fixture)
    {
        (GraphTensor source, GraphTensor lengths) = Input(g, fixture, "src");
        EncoderLayer layer = new(g.Parameters, "layer", options);
        return layer.Apply(g, source, new() { KeyLengths = lengths });
    }

    private static GraphTensor Decoder(
        GraphBuilder g, TransformerLayerOptions options, Fixture fixture)
    {
        (GraphTensor target, GraphTensor lengths) = Input(g, fixture, "tgt");
        (GraphTensor memory, GraphTensor memoryLengths) = Input(g, fixture, "memory");
        DecoderLayer layer = new(g.Parameters, "layer", options);
        return layer.Apply(g, target, memory, new() { KeyLengths = lengths },
            new() { KeyLengths = memoryLengths });
    }

    private static (GraphTensor Values, GraphTensor Lengths) Input(
        GraphBuilder g, Fixture fixture, string name)
    {
        TensorShape shape = new(fixture.Shape(name));
        return (g.Input(name, shape),
            g.Input($"{name}_lengths", new(shape[0]), DType.Int32));
    }

    private static List<(Parameter, float[])> Load(
        ParameterSet parameters, Fixture fixture, bool decoder)
    {
        List<(Parameter, float[])> expected = [];
        List<(string Ours, string Theirs)> names =
        [
            ("attention.output", "self_attn.out_proj"), ("feedForward.up", "linear1"),
            ("feedForward.down", "linear2"), ("attentionNorm", "norm1"),
            ("feedForwardNorm", decoder ? "norm3" : "norm2"),
        ];
        if (decoder)
        {
            names.Add(("crossAttention.output", "multihead_attn.out_proj"));
            names.Add(("crossAttentionNorm", "norm2"));
            LoadPacked("crossAttention", "multihead_attn");
        }

        LoadPacked("attention", "self_attn");
        foreach ((string ours, string theirs) in names)
        {
            foreach (string kind in (string[])["weight", "bias"])
            {
                Parameter parameter = parameters[$"layer.{ours}.{kind}"];
                parameter.CopyFrom(fixture.Singles($"{theirs}.{kind}"));
                expected.Add((parameter, fixture.Singles($"d_{theirs}.{kind}")));
            }
        }

        Assert.Equal(parameters.All.Count, expected.Count);
        return expected;

        void LoadPacked(string ours, string theirs)
        {
            foreach (string kind in (string[])["weight", "bias"])
            {
                float[] values = fixture.Singles($"{theirs}.in_proj_{kind}");
                float[] gradients = fixture.Singles($"d_{theirs}.in_proj_{kind}");
                int third = values.Length / 3;
                string[] parts = ["query", "key", "value"];
                for (int i = 0; i < 3; i++)
                {
                    Parameter parameter = parameters[$"layer.{ours}.{parts[i]}.{kind}"];
                    parameter.CopyFrom(values.AsSpan(i * third, third));
                    expected.Add((parameter, gradients.AsSpan(i * third, third).ToArray()));
                }
            }
        }
    }

    private static void AssertClose(
        string name, ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        double norm = Math.Sqrt(expected.ToArray().Sum(v => (double)v * v));
        if (norm < 1e-12)
        {
            foreach (float value in actual) Assert.InRange(value, -1e-6f, 1e-6f);
            return;
        }

        double error = TestModel.RelativeL2(actual, expected);
        Assert.True(error <= Tolerance, $"{name}: relative L2 error {error:E2}");
    }
}
