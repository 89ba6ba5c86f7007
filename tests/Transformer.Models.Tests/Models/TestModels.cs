using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Numerics;
using Transformer.Ops;

namespace Transformer.Models.Tests.Models;

/// <summary>Small models with random weights, and random sentences for them.</summary>
internal static class TestModels
{
    public const int Vocabulary = 19;

    public static Seq2SeqConfig Config { get; } = new()
    {
        SourceVocabulary = Vocabulary + 4,
        TargetVocabulary = Vocabulary,
        Width = 16,
        Heads = 2,
        FeedForwardWidth = 24,
        MaxPositions = 40,
        Dropout = 0,
    };

    /// <summary>Pre- and post-norm, all kinds of tying, positions and activations.</summary>
    public static TheoryData<string> Variants =>
        ["pre", "post", "tied", "untied", "gelu", "rotary", "alibi", "relative"];

    public static Seq2SeqConfig Variant(string name) => name switch
    {
        "pre" => Config,
        "post" => Config with { Norm = NormPlacement.Post, DecoderLayers = 3 },
        "tied" => Config with { SourceVocabulary = Vocabulary, TieEmbeddings = true },
        "untied" => Config with { Positions = PositionKind.Learned, TieOutput = false },
        "rotary" => Config with { Positions = PositionKind.Rotary },
        "alibi" => Config with { Positions = PositionKind.Alibi },
        "relative" => Config with { Positions = PositionKind.Relative },
        _ => Config with { Activation = Activation.Gelu, Positions = PositionKind.Learned },
    };

    /// <summary>A model whose weights are spread wide enough that its sentences vary.</summary>
    public static Seq2SeqTransformer Make(
        Seq2SeqConfig config, Backend? backend = null, ulong seed = 3)
    {
        Seq2SeqTransformer model = new(config, backend ?? BackendRegistry.Cpu, seed);
        foreach (Parameter parameter in model.Parameters.All.Where(p => p.Trainable))
        {
            float[] values = new float[parameter.Shape.ElementCount];
            parameter.CopyTo(values);
            for (int i = 0; i < values.Length; i++)
            {
                double unit = Philox.ToUnit(Philox.Word(seed, 77, (uint)i, (ulong)values.Length));
                values[i] = (1.5f * values[i]) + (float)(0.4 * (unit - 0.5));
            }

            parameter.CopyFrom(values);
        }

        return model;
    }

    public static int[][] Sentences(uint seed, params int[] lengths) =>
    [
        .. lengths.Select((length, row) => Enumerable.Range(0, length).Select(i =>
            4 + (int)(Philox.Word(seed, (uint)row, 0, (ulong)i) % (Vocabulary - 4))).ToArray()),
    ];

    /// <summary>Two sentence pairs of lengths 5 and 3, 4 and 2, padded.</summary>
    public static void Feed(CompiledGraph graph)
    {
        graph.Feed<int>("source", [5, 6, 7, 8, 3, 9, 10, 3, 0, 0]);
        graph.Feed<int>("sourceLengths", [5, 3]);
        graph.Feed<int>("target", [2, 11, 12, 13, 2, 14, 0, 0]);
        graph.Feed<int>("labels", [11, 12, 13, 3, 14, 3, -1, -1]);
    }

    public static float[] Gradient(Parameter parameter) =>
        parameter.Gradient.AsSpan<float>().ToArray();

    /// <summary>Largest distance over largest magnitude.</summary>
    public static double RelativeError(ReadOnlySpan<float> actual, ReadOnlySpan<double> expected)
    {
        Assert.Equal(expected.Length, actual.Length);
        double worst = 0, largest = 0;
        for (int i = 0; i < actual.Length; i++)
        {
            worst = Math.Max(worst, Math.Abs(actual[i] - expected[i]));
            largest = Math.Max(largest, Math.Abs(expected[i]));
            if (!float.IsFinite(actual[i])) return double.PositiveInfinity;
        }

        return largest == 0 ? worst : worst / largest;
    }
}
