using Transformer.Backends;
using Transformer.Layers;
using Transformer.Ops;
using Transformer.Tests.Fixtures;
using Transformer.Tests.Support;

namespace Transformer.Tests.Layers;

/// <summary>The layer on spans against PyTorch's numbers, forward and backward.</summary>
public sealed class MultiHeadAttentionFixtureTests
{
    /// <summary>Binary32 between and (simd) within five ops on sums of up to 24 terms: some ten
    /// roundings of 6e-8, enlarged by the softmax.</summary>
    private const double Tolerance = 2e-6;

    public static TheoryData<string, string, string> Cases(string files)
    {
        TheoryData<string, string, string> rows = [];
        foreach (string backend in (string[])["simd", "reference"])
            foreach (string file in Fixture.Files(files))
                foreach (object[] row in Fixture.Cases(file))
                {
                    // Keys and values of two tensors are no layer's.
                    string name = (string)row[1];
                    if (!Fixture.Load(file, name).Has("key")) rows.Add(file, name, backend);
                }

        return rows;
    }

    [Theory]
    [MemberData(nameof(Cases), "multihead_attention")]
    public void SelfAttention_MatchesPyTorch(string file, string @case, string backend)
    {
        Fixture fixture = Fixture.Load(file, @case);
        MultiHeadAttention layer = new(new() { Width = 8, Heads = 2 });
        layer.LoadPyTorch(
            fixture.Singles("in_proj_weight"), fixture.Singles("in_proj_bias"),
            fixture.Singles("out_proj.weight"), fixture.Singles("out_proj.bias"));
        AttentionExtras extras = new()
        {
            KeyLengths = fixture.Has("key_lengths") ? fixture.Ints("key_lengths") : default,
        };
        AttentionOptions options = new()
        {
            Causal = fixture.Has("visible") ? CausalAlignment.TopLeft : CausalAlignment.None,
        };

        float[] weights = new float[2 * 2 * 4 * 4];
        Self(fixture, layer, options, extras, weights, BackendRegistry.Find(backend));

        Numbers.Close(fixture.Doubles("weights_per_head"), LayerProblem.Doubles(weights),
            Tolerance, "weights");
    }

    [Theory]
    [MemberData(nameof(Cases), "layer_causal")]
    public void CausalSelfAttention_MatchesPyTorch(string file, string @case, string backend)
    {
        Fixture fixture = Fixture.Load(file, @case);
        int heads = (int)fixture.Scalar("heads"), keys = (int)fixture.Scalar("kv_heads");
        MultiHeadAttention layer = new(new()
        {
            Width = 8,
            Heads = heads,
            KeyValueHeads = keys,
            HeadDimension = (int)fixture.Shape("out_proj.weight")[1] / heads,
            Alibi = @case == "alibi",
            Rotary = fixture.Option("theta") is null ? null : new()
            {
                MaxPositions = 5,
                Dimension = (int)fixture.Scalar("rotary_dimension"),
                Theta = fixture.Scalar("theta"),
                Interleaved = fixture.Scalar("interleaved") == 1,
            },
        });
        fixture.Singles("in_proj_weight").CopyTo(layer.ProjectionWeight);
        fixture.Singles("in_proj_bias").CopyTo(layer.ProjectionBias);
        fixture.Singles("out_proj.weight").CopyTo(layer.OutputWeight);
        fixture.Singles("out_proj.bias").CopyTo(layer.OutputBias);

        Self(fixture, layer, new() { Causal = CausalAlignment.TopLeft }, default, [],
            BackendRegistry.Find(backend));
    }

    [Theory]
    [MemberData(nameof(Cases), "layer_memory")]
    public void CrossAttention_MatchesPyTorch(string file, string @case, string backend)
    {
        Fixture fixture = Fixture.Load(file, @case);
        Backend on = BackendRegistry.Find(backend);
        bool bias = fixture.Has("in_proj_bias"), packed = fixture.Has("in_proj_weight");
        int width = (int)fixture.Shape("memory")[2];
        MultiHeadAttention layer = new(
            new() { Width = 8, Heads = 2, MemoryWidth = width, Bias = bias });
        float[] biases = bias ? fixture.Singles("in_proj_bias") : [];
        float[] outputBias = bias ? fixture.Singles("out_proj.bias") : [];
        if (packed)
        {
            layer.LoadPyTorch(fixture.Singles("in_proj_weight"), biases,
                fixture.Singles("out_proj.weight"), outputBias);
        }
        else
        {
            layer.Load(new()
            {
                Query = fixture.Singles("q_proj_weight"), Key = fixture.Singles("k_proj_weight"),
                Value = fixture.Singles("v_proj_weight"),
                Output = fixture.Singles("out_proj.weight"), OutputBias = outputBias,
                QueryBias = biases.AsSpan(0, 8), KeyBias = biases.AsSpan(8, 8),
                ValueBias = biases.AsSpan(16),
            });
        }

        AttentionExtras extras = new()
        {
            KeyLengths = fixture.Has("key_lengths") ? fixture.Ints("key_lengths") : default,
        };
        float[] query = fixture.Singles("query"), memory = fixture.Singles("memory");
        float[] output = new float[query.Length];
        MultiHeadAttentionTape tape = new();
        layer.Forward(query, memory, 2, 4, 6, default, output, extras, tape: tape, backend: on);
        Close(fixture, "output", output);

        ParameterGradients gradients = new(layer);
        float[] queryGradient = new float[query.Length];
        float[] memoryGradient = new float[memory.Length];
        layer.Backward(query, memory, fixture.Singles("d_output"), tape, queryGradient,
            memoryGradient, gradients.Spans, extras, backend: on);
        Close(fixture, "d_query", queryGradient);
        Close(fixture, "d_memory", memoryGradient);
        string[] parts = packed ? ["d_in_proj_weight"]
            : ["d_q_proj_weight", "d_k_proj_weight", "d_v_proj_weight"];
        gradients.Close(fixture, parts);
    }

    private static void Self(
        Fixture fixture, MultiHeadAttention layer, in AttentionOptions options,
        in AttentionExtras extras, float[] weights, Backend backend)
    {
        float[] input = fixture.Singles("query"), output = new float[input.Length];
        int length = (int)fixture.Shape("query")[1];
        MultiHeadAttentionTape tape = new();
        layer.Forward(input, 2, length, options, output, extras, weights,
            weights.Length > 0 ? ScoreOutput.Probabilities : ScoreOutput.None, tape, backend);
        Close(fixture, "output", output);

        ParameterGradients gradients = new(layer);
        float[] inputGradient = new float[input.Length];
        layer.Backward(input, fixture.Singles("d_output"), tape, inputGradient, gradients.Spans,
            extras, backend: backend);
        Close(fixture, "d_query", inputGradient);
        gradients.Close(fixture, ["d_in_proj_weight"]);
    }

    private static void Close(Fixture fixture, string name, ReadOnlySpan<float> actual) =>
        Numbers.Close(fixture.Doubles(name), LayerProblem.Doubles(actual), Tolerance, name);

    /// <summary>Begin at 1: gradients of parameters are added to what is there.</summary>
    private sealed class ParameterGradients(MultiHeadAttention layer)
    {
        private readonly float[] projection = Ones(layer.ProjectionWeight.Length);
        private readonly float[] bias = Ones(layer.ProjectionBias.Length);
        private readonly float[] output = Ones(layer.OutputWeight.Length);
        private readonly float[] outputBias = Ones(layer.OutputBias.Length);

        public MultiHeadAttentionGradients Spans => new()
        {
            ProjectionWeight = projection, ProjectionBias = bias, OutputWeight = output,
            OutputBias = outputBias,
        };

        public void Close(Fixture fixture, string[] projections)
        {
            Close([.. projections.SelectMany(fixture.Doubles)], projection, projections[0]);
            Close(fixture.Doubles("d_out_proj.weight"), output, "d_out_proj.weight");
            if (!fixture.Has("in_proj_bias")) return;
            Close(fixture.Doubles("d_in_proj_bias"), bias, "d_in_proj_bias");
            Close(fixture.Doubles("d_out_proj.bias"), outputBias, "d_out_proj.bias");
        }

        private static void Close(double[] expected, float[] actual, string name) =>
            Numbers.Close([.. expected.Select(x => x + 1)], LayerProblem.Doubles(actual),
                Tolerance, name);

        private static float[] Ones(int count) => [.. Enumerable.Repeat(1f, count)];
    }
}
